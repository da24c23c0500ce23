// Package uploads bounds how many uploads one account may have begun and not ended.
//
// Each of them is a row, and bytes that wait for a day: whoever begins them without an
// end fills the disk of everybody else. The rows are in the database, so the limit is one
// for all servers of a registry.
package uploads

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"cove/distribution"
	"cove/distribution/errcode"
	"cove/registry/auth"
)

// Counter knows the uploads of an account; *metadata.DB is one.
type Counter interface {
	// OpenUploads is how many an account has open.
	OpenUploads(ctx context.Context, account string) (int, error)
}

// Limited refuses an account that has as many uploads open as n says another one, with 429
// and the limit.
// The registry's own work, which is no account's, has no limit.
func Limited(r distribution.Registry, open Counter, n func() int) distribution.Registry {
	return &limited{Registry: r, open: open, most: n}
}

type limited struct {
	distribution.Registry
	open Counter
	most func() int
}

// retry is when it may be tried again: an upload that is ended makes room at once.
const retry = 10 * time.Second

func (l *limited) StartUpload(ctx context.Context, repo string) (distribution.Upload, error) {
	account := auth.CallerOf(ctx).Name
	if account == "" {
		return l.Registry.StartUpload(ctx, repo)
	}
	n, err := l.open.OpenUploads(ctx, account)
	if err != nil {
		return nil, err
	}
	if most := l.most(); n >= most {
		e := errcode.New(http.StatusTooManyRequests, errcode.TooManyRequests,
			fmt.Sprintf("account %s has %d uploads open, which is the most: finish or cancel some", account, most))
		e.RetryAfter = retry
		return nil, e
	}
	return l.Registry.StartUpload(ctx, repo)
}
