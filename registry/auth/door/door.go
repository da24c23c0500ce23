// Package door is what every request for an operation passes, be it of the registry's own API,
// of Harbor's or of a page: who asks, and whether he has the right that the route wants. The
// services behind it ask auth again, about what they then do.
package door

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

	"cove/errdefs"
	"cove/registry/auth"
)

// Door lets callers pass, or not. It is safe for concurrent use.
type Door struct {
	DB    auth.Standings
	Judge auth.Judge
}

// Programs is the door of those who sign in with every request.
type Programs struct {
	Door
	// Identify finds out who asks; see auth.Authorizer.
	Identify func(*http.Request) (auth.Caller, error)
	// Origins refuses what browsers send from other sites.
	Origins *http.CrossOriginProtection
}

// Caller is who asks. Nobody who has only a token for images, and no page of another site,
// asks for anything here.
func (p Programs) Caller(r *http.Request) (auth.Caller, error) {
	if err := p.Origins.Check(r); err != nil {
		return auth.Caller{}, errdefs.Errorf(errdefs.ErrDenied, "this request was sent by a page of another site")
	}
	caller, err := p.Identify(r)
	if err == nil && caller.Token() {
		return auth.Caller{}, errdefs.Errorf(errdefs.ErrUnauthenticated,
			"a token of the registry is for images alone; use a name and password")
	}
	return caller, err
}

// Permit is nil when the caller may pass. What the request is about is looked up only if the
// right depends on it.
func (d Door) Permit(ctx context.Context, by auth.Caller, right auth.Right, object func() (string, error)) error {
	switch right {
	case auth.Open:
		return nil
	case auth.SignIn:
		if by.Name == "" {
			return errdefs.Errorf(errdefs.ErrUnauthenticated, "authentication required: sign in first")
		}
		return nil
	}
	about, err := object()
	if err != nil {
		return err
	}
	return d.Judge.Permit(ctx, d.DB, by, right, about)
}

// IsText reports whether these are texts: PostgreSQL takes neither a NUL nor bytes that are
// no UTF-8, and no name has any.
func IsText(texts ...string) bool {
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return false
		}
	}
	return true
}

// HoldsTexts reports whether all that a JSON document says is text, as IsText has it. A byte
// 0 can only be written as an escape, behind an even number of backslashes.
func HoldsTexts(document []byte) bool {
	if !utf8.Valid(document) {
		return false
	}
	for rest := document; ; {
		at := bytes.Index(rest, []byte(`\u0000`))
		if at < 0 {
			return true
		}
		before := len(rest[:at]) - len(bytes.TrimRight(rest[:at], `\`))
		if before%2 == 0 {
			return false
		}
		rest = rest[at+2:]
	}
}
