package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"cove/distribution/client/beside"
	"cove/distribution/client/wire"
	"cove/distribution/errcode"
	"cove/distribution/errcode/answer"
	"cove/errdefs"
	"cove/registry/api/rest"
)

// maxAnswer bounds an answer: a page of a list is far smaller.
const maxAnswer = 64 << 20

// Remote is the API of a registry over HTTP, asked with the credentials, certificates and
// rules by which it is pulled from and pushed to.
type Remote struct{ server *beside.Server }

// Over returns the API of a server.
func Over(server *beside.Server) Remote { return Remote{server} }

// Do sends a call over HTTP. When nobody is signed in and that is why it is refused, the
// error suggests to sign in.
func (r Remote) Do(ctx context.Context, call Call) error {
	if err := call.Check(); err != nil {
		return err
	}
	in, err := request(call)
	if err != nil {
		return err
	}
	resp, err := r.server.Do(ctx, in)
	if err != nil {
		return err
	}
	var body []byte
	if to, ok := call.Copies(); ok && resp.StatusCode < http.StatusMultipleChoices {
		_, err = io.Copy(to, resp.Body)
	} else {
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	}
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "registry %s: the answer broke off: %w", r.server.Host(), err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return r.refused(resp, body)
	}
	if call.Into == nil || len(body) == 0 {
		return nil
	}
	if err := json.Unmarshal(body, call.Into); err != nil {
		return errdefs.Errorf(errdefs.ErrUnsupported,
			"registry %s: its answer to %s %s is none of this API's: %w", r.server.Host(), call.Method, in.Path, err)
	}
	return nil
}

func request(call Call) (in wire.Request, err error) {
	in = wire.Request{Method: call.Method, API: rest.Base, Path: call.Path, Header: http.Header{}}
	if len(call.Query) > 0 {
		in.Path += "?" + call.Query.Encode()
	}
	if raw, ok := call.raw(); ok {
		in.Header.Set("Content-Type", "application/octet-stream")
		in.Body, in.Length = func() io.Reader { return raw }, -1
		return in, nil
	}
	if call.Body == nil {
		return in, nil
	}
	text, err := json.Marshal(call.Body)
	if err != nil {
		return in, err
	}
	in.Header.Set("Content-Type", "application/json")
	in.Body, in.Length = func() io.Reader { return bytes.NewReader(text) }, int64(len(text))
	return in, nil
}

// refused is the error of an answer that is none.
func (r Remote) refused(resp *http.Response, body []byte) error {
	var p rest.Problem
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		resp.Body = io.NopCloser(bytes.NewReader(body))
		return answer.Parse(resp, r.server.Host(), time.Now())
	}
	// Without a host in it the error reads as it does on the registry's own machine.
	err := errcode.New(p.Status, errcode.Code(p.Code), errcode.Printable(p.Detail))
	switch p.Status {
	case http.StatusBadRequest:
		err.Kind = errdefs.ErrInvalid
	case http.StatusUnauthorized:
		return errdefs.Suggest(err, errdefs.Login, r.server.Host())
	}
	if p.Remedy == nil {
		return err
	}
	return errdefs.Suggest(err, errdefs.Remedy(p.Remedy.Do), errcode.Printable(p.Remedy.To))
}
