package rest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"cove/distribution/errcode"
	"cove/errdefs"
)

// Problem is an error as RFC 9457 has it. Its type is "about:blank": status says
// what kind it is, and code the same in the registry protocol's words.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`
	// Remedy is what would help, if something is known to.
	Remedy *Remedy `json:"remedy,omitempty"`
}

// Remedy is what would help against a failure: what to do, as make-project, and to what.
type Remedy struct {
	Do string `json:"do"`
	To string `json:"to,omitempty"`
}

// What the table of errcode has no row for.
var (
	errUnread = errcode.New(http.StatusUnsupportedMediaType, errcode.Unsupported,
		"send the body as JSON, with Content-Type: application/json")
	errLarge   = errcode.New(http.StatusRequestEntityTooLarge, errcode.SizeInvalid, "the body is too large")
	errChanged = errcode.New(http.StatusPreconditionFailed, errcode.Conflict,
		"it has changed since; get it again and send its new ETag")
)

func bodyError(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return errLarge
	}
	return errdefs.Errorf(errdefs.ErrInvalid, "body: %w", err)
}

// ErrorTaker is a ResponseWriter of a caller in this process, which is given an error as
// it is in the place of the problem that says it.
type ErrorTaker interface{ TakeError(error) }

// fail answers with the problem of an error.
func (e *Edge) fail(w http.ResponseWriter, r *http.Request, err error) {
	if taker, ok := w.(ErrorTaker); ok {
		taker.TakeError(err)
		return
	}
	problem := errcode.For(err, errcode.Registry)
	// What failed because the client went away is no failure of ours.
	if problem.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		e.Log.ErrorContext(r.Context(), "API request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	writeProblem(w, problem)
}

func remedyOf(err error) *Remedy {
	s, ok := errdefs.SuggestionFor(err)
	if !ok {
		return nil
	}
	return &Remedy{string(s.Do), s.To}
}

func writeProblem(w http.ResponseWriter, e *errcode.Error) {
	h := w.Header()
	if e.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="cove registry", charset="UTF-8"`)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(e.RetryAfter.Seconds())+1))
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(Problem{ // the client is gone; nobody is left to tell
		Type: "about:blank", Title: http.StatusText(e.Status), Status: e.Status,
		Detail: e.Message, Code: string(e.Code), Remedy: remedyOf(e),
	})
}

// NotFound answers to a path that there is not, or, with the methods that it
// takes, to another method of one that there is.
func (*Edge) NotFound(w http.ResponseWriter, r *http.Request, allowed string) {
	if allowed != "" {
		w.Header().Set("Allow", allowed)
		writeProblem(w, errcode.New(http.StatusMethodNotAllowed, errcode.Unsupported,
			r.Method+" is not taken here; use "+allowed))
		return
	}
	writeProblem(w, errcode.New(http.StatusNotFound, errcode.NameUnknown,
		"there is no such path; "+Base+"/openapi.json lists all"))
}
