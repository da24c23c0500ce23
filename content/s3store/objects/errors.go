package objects

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"syscall"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"cove/errdefs"
)

// failed gives an answer of the service the kind that callers act on. That it
// refuses this process is no refusal of whoever asked for a blob: it is a storage
// that is not there, and says why.
func (b *Bucket) failed(key string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	place, code, status := b.Name()+key, codeOf(err), statusOf(err)
	err = reason(err)
	switch {
	case code == "NoSuchBucket":
		return errdefs.Errorf(errdefs.ErrUnavailable, "%s: there is no such bucket; make it, or name another: %w",
			place, err)
	case status == http.StatusPreconditionFailed || code == "ConditionalRequestConflict":
		return errdefs.Errorf(errdefs.ErrExists, "%s: it is there already", place)
	case status == http.StatusNotFound:
		return errdefs.Errorf(errdefs.ErrNotFound, "%s: there is no such object", place)
	case code == "QuotaExceeded" || status == http.StatusInsufficientStorage:
		return errdefs.Errorf(errdefs.ErrExhausted, "%s: the storage is full: %w (%w)", place, err, syscall.ENOSPC)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return errdefs.Errorf(errdefs.ErrUnavailable,
			"%s: the storage refuses the credentials it was given, or they lack a right: %w", place, err)
	}
	return errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", place, err)
}

// reason is what of a failure tells somebody something: the service's words, or what
// became of the connection; not the client's story of how often it tried.
func reason(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() != "" {
		return fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	var sent *url.Error
	if errors.As(err, &sent) {
		return sent.Err
	}
	return err
}

// codeOf is the service's own word for a failure; "" without one.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func statusOf(err error) int {
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) {
		return resp.HTTPStatusCode()
	}
	return 0
}
