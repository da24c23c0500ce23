// Package answer writes errors as the bodies of the Distribution specification, and
// reads those of registries. No other package of cove does either.
package answer

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
)

// maxBody bounds what is read of an error body: a peer's error is not a way to
// fill our memory.
const maxBody = 64 << 10

type body struct {
	Errors []entry `json:"errors"`
}

type entry struct {
	Code    errcode.Code `json:"code"`
	Message string       `json:"message"`
	Detail  any          `json:"detail,omitempty"`
}

// Write answers with e. Headers that belong to the object, as the challenge of
// a 401, are set before.
func Write(w http.ResponseWriter, e *errcode.Error) {
	b, err := json.Marshal(body{[]entry{{e.Code, e.Message, e.Detail}}})
	if err != nil { // a Detail that does not marshal
		b, _ = json.Marshal(body{[]entry{{e.Code, e.Message, nil}}})
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", strconv.Itoa(max(1, int(e.RetryAfter/time.Second))))
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(b) // the client is gone; nobody is left to tell
}

// Parse reads the answer resp of registry host, which was not the one hoped
// for, as an *errcode.Error. It does not close resp.Body.
func Parse(resp *http.Response, host string, now time.Time) *errcode.Error {
	e := &errcode.Error{Status: resp.StatusCode, Host: host}
	e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // a cut body still has a status
	var b body
	if json.Unmarshal(raw, &b) == nil && len(b.Errors) > 0 {
		e.Code = b.Errors[0].Code
		e.Detail = b.Errors[0].Detail
		e.Message = text(b.Errors)
	}
	if e.Message == "" {
		e.Message = plain(raw, resp)
	}
	e.Kind = kind(e.Code, e.Status)
	return e
}

// text joins the messages; a code is shown where it says more than the message.
func text(entries []entry) string {
	var parts []string
	for _, en := range entries {
		m := errcode.Printable(en.Message)
		if m == "" || strings.EqualFold(m, "unknown error") {
			m = strings.ToLower(strings.ReplaceAll(errcode.Printable(string(en.Code)), "_", " "))
		}
		if m != "" {
			parts = append(parts, m)
		}
	}
	return strings.Join(parts, "; ")
}

// plain is the message of an answer that is no error body: a proxy's page, JSON of
// another kind, or nothing at all, as for every HEAD.
func plain(raw []byte, resp *http.Response) string {
	var other struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n")
	if json.Unmarshal(raw, &other) == nil {
		line = cmp.Or(other.Message, other.Error)
	}
	if line == "" || strings.HasPrefix(line, "<") || len(line) > 300 {
		if s := http.StatusText(resp.StatusCode); s != "" {
			return strings.ToLower(s)
		}
		return "no explanation"
	}
	return errcode.Printable(line)
}

// kind prefers the status where it is unmistakable, because some registries
// answer 401 and 429 with the code UNKNOWN or DENIED.
func kind(code errcode.Code, status int) error {
	switch status {
	case http.StatusUnauthorized:
		return errdefs.ErrUnauthenticated
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway,
		http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return errdefs.ErrUnavailable
	case http.StatusInsufficientStorage, http.StatusRequestEntityTooLarge:
		return errdefs.ErrExhausted
	}
	if k := errcode.KindOf(code); k != nil {
		return k
	}
	switch {
	case status == http.StatusForbidden:
		return errdefs.ErrDenied
	case status == http.StatusNotFound:
		return errdefs.ErrNotFound
	case status == http.StatusMethodNotAllowed, status == http.StatusNotImplemented:
		return errdefs.ErrUnsupported
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return errdefs.ErrConflict
	case status >= 500:
		return errdefs.ErrUnavailable
	default:
		return errdefs.ErrInvalid
	}
}

// retryAfter reads both forms of the header (RFC 9110, 10.2.3).
func retryAfter(v string, now time.Time) time.Duration {
	if v == "" {
		return 0
	}
	if secs, err := strconv.Atoi(v); err == nil {
		return max(0, min(time.Duration(secs), 1<<20)*time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
