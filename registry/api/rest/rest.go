// Package rest is what every operation of the registry's own HTTP API has around
// it: who asks and whether he may, what he may send, how answers, pages, entity tags
// and problems (RFC 9457) look, and the OpenAPI document that is made of the table.
// What the operations are and do is package rest's.
package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/door"
	"cove/registry/browse"
)

// Base is the path below which everything is.
const Base = "/api/v1"

const (
	maxBody  = 64 << 10
	maxLimit = 100
	perPage  = 50
)

// Edge guards operations. It is safe for concurrent use.
type Edge struct {
	Door door.Programs
	Log  *slog.Logger
}

// Operation is one method of one path.
type Operation struct {
	Method, Path string // with parts in braces, as http.ServeMux has them
	Right        auth.Right
	Object       string // what the request is about
	ID, Summary  string // its name in the document, and what it does
	Query        []Parameter
	Body, Answer any // zero values of what is read and answered; nil for nothing
	Status       int // of the answer
	ETag         bool
	Loss         *Loss // nil of what takes nothing away
	Serve        func(*Ask) (any, error)
}

// Loss is what an operation takes away: what goes, and the operation that brings it back,
// "" if none does.
type Loss struct{ What, Undo string }

// Parameter is one of a request's query.
type Parameter struct{ Name, About, Kind string }

// The kinds of parameters: of a JSON schema.
const (
	KindText   = "string"
	KindNumber = "integer"
)

// PageOf adds what every list takes to the parameters of one.
func PageOf(more ...Parameter) []Parameter {
	return append([]Parameter{
		{"limit", "how many entries at most, 1 to 100; 50 if it is not said", KindNumber},
		{"after", `"next" of the page before`, KindText},
	}, more...)
}

// Ask is one request.
type Ask struct {
	*http.Request
	W      http.ResponseWriter
	Caller auth.Caller
	Query  url.Values
	Limit  int // of a page
}

// Handle is everything around a handler: who asks, whether he may, what he may
// send, and what becomes of the answer or the error.
func (e *Edge) Handle(op Operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "private, no-cache")
		w.Header().Add("Vary", "Authorization")
		asked := &Ask{Request: r, W: w}
		answer, err := e.run(asked, op)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		if f, ok := answer.(File); ok {
			e.write(asked, op, f)
			return
		}
		asked.answer(op, answer)
	}
}

func (e *Edge) run(asked *Ask, op Operation) (any, error) {
	if err := e.admit(asked, op); err != nil {
		return nil, err
	}
	if err := asked.check(op); err != nil {
		return nil, err
	}
	return op.Serve(asked)
}

// admit finds out who asks, and whether the request may go on.
func (e *Edge) admit(asked *Ask, op Operation) (err error) {
	if asked.Caller, err = e.Door.Caller(asked.Request); err != nil {
		return err
	}
	if !door.IsText(asked.URL.Path) {
		return Invalid("the path is no text")
	}
	return e.Door.Permit(asked.Context(), asked.Caller, op.Right, asked.object)
}

// object is the repository or the project that the request's path is about; "" if it is
// about none.
func (asked *Ask) object() (string, error) {
	return browse.ObjectOf(asked.PathValue("repository"), asked.PathValue("artifact"), asked.PathValue("project"))
}

// check refuses what the operation would not look at: a misspelt filter must not
// answer with everything.
func (asked *Ask) check(op Operation) (err error) {
	if asked.Query, err = url.ParseQuery(asked.URL.RawQuery); err != nil {
		return Invalid("query: %w", err)
	}
	known := map[string]Parameter{}
	for _, p := range op.Query {
		known[p.Name] = p
	}
	for name, values := range asked.Query {
		switch p, ok := known[name]; {
		case !ok:
			return Invalid("query: there is no parameter %q here", name)
		case len(values) > 1:
			return Invalid("query: %q is given %d times", name, len(values))
		case p.Kind == KindText && !door.IsText(values[0]):
			return Invalid("query: %q is no text", name)
		}
	}
	asked.Limit = perPage
	if text := asked.Query.Get("limit"); text != "" {
		asked.Limit, err = strconv.Atoi(text)
		if err != nil || asked.Limit < 1 || asked.Limit > maxLimit {
			return Invalid("query: limit %q is not a number from 1 to %d", text, maxLimit)
		}
	}
	if asked.Header.Get("If-Match") != "" && !op.conditional() {
		return Invalid("If-Match is looked at where something is changed (PATCH, and PUT of what has an ETag)")
	}
	return nil
}

// Read reads the body into what the operation wants.
func (asked *Ask) Read(into any) error {
	kind, _, _ := strings.Cut(asked.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return errUnread
	}
	body, err := io.ReadAll(http.MaxBytesReader(asked.W, asked.Body, maxBody))
	if err != nil {
		return bodyError(err)
	}
	if !door.HoldsTexts(body) {
		return Invalid("body: a text holds a byte 0, or is no UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return bodyError(err)
	}
	if dec.More() {
		return Invalid("body: there is more after the JSON object")
	}
	return nil
}

// File is an answer that is no JSON, of which any amount is written as it is made.
type File struct {
	Type string // the media type
	// Write writes it. When it fails after some of it was written, the connection is cut, so
	// that nobody takes a part for the whole.
	Write func(io.Writer) error
}

// Text is the Answer of operations whose answer is a File of a media type.
type Text string

func (e *Edge) write(asked *Ask, op Operation, f File) {
	asked.W.Header().Set("Content-Type", f.Type)
	asked.W.WriteHeader(op.Status)
	err := f.Write(asked.W)
	if taker, ok := asked.W.(ErrorTaker); ok {
		taker.TakeError(err)
		return
	}
	if err != nil {
		if asked.Context().Err() == nil {
			e.Log.ErrorContext(asked.Context(), "answer was cut", "path", asked.URL.Path, "error", err)
		}
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http cuts HTTP/1 and HTTP/2 answers by it
	}
}

// answer writes what a handler returned.
func (asked *Ask) answer(op Operation, v any) {
	if op.Answer == nil && v == nil {
		asked.W.WriteHeader(op.Status)
		return
	}
	body, err := encode(v)
	tag := ""
	if err == nil && op.ETag {
		tag, err = etagOf(v, body)
	}
	if err != nil { // no type of this package fails to encode
		writeProblem(asked.W, errcode.For(err, errcode.Registry))
		return
	}
	h := asked.W.Header()
	if op.ETag {
		h.Set("ETag", tag)
		if op.Method == http.MethodGet && matches(asked.Header.Get("If-None-Match"), tag) {
			asked.W.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	asked.W.WriteHeader(op.Status)
	_, _ = asked.W.Write(body) // the client is gone; nobody is left to tell
}

func encode(v any) ([]byte, error) {
	if doc, ok := v.(json.RawMessage); ok {
		return doc, nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return out.Bytes(), err
}

// Settler is an answer of which a part moves though nobody changes the object, as when a
// robot was last used. Settled is the rest.
type Settler interface{ Settled() any }

// etagOf is made of two parts: of all of the answer, which a cache asks for, and of what
// somebody has said of the object, which is the condition of a change. A robot at work is
// another answer each half minute, and yet whoever looked at it may change it.
func etagOf(v any, body []byte) (string, error) {
	settled := body
	if s, ok := v.(Settler); ok {
		var err error
		if settled, err = encode(s.Settled()); err != nil {
			return "", err
		}
	}
	part := func(b []byte) string {
		sum := sha256.Sum256(b)
		return base64.RawURLEncoding.EncodeToString(sum[:12])
	}
	return `"` + part(body) + "." + part(settled) + `"`, nil
}

// said is the part of a list of entity tags that is the condition of a change.
func said(tags string) string { return whole.ReplaceAllString(tags, `"`) }

var whole = regexp.MustCompile(`"[A-Za-z0-9_-]{16}\.`)

// matches says whether a list of entity tags has this one (RFC 9110, 13.1).
func matches(list, tag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}

// Unchanged is the precondition of a change: that If-Match, if it was sent, names
// the object as it is now.
func (asked *Ask) Unchanged(now any) error {
	want := asked.Header.Get("If-Match")
	if want == "" {
		return nil
	}
	body, err := encode(now)
	if err != nil {
		return err
	}
	tag, err := etagOf(now, body)
	if err != nil {
		return err
	}
	if strings.Contains(want, "W/") || !matches(said(want), said(tag)) { // a weak one never matches
		return errChanged
	}
	return nil
}

// PageTo answers with a page of a list, and says where the next is.
func PageTo[T any](asked *Ask, items []T, next string) Page[T] {
	if items == nil {
		items = []T{}
	}
	if next != "" {
		q := url.Values{}
		for name, values := range asked.Query {
			q[name] = values
		}
		q.Set("after", next)
		asked.W.Header().Set("Link", "<"+asked.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
	}
	return Page[T]{items, next}
}

func Invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}

// Page is a part of a list. Next, if it is not empty, is what to give as "after"
// for the next one.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// Next is where the next page of a list begins; "" if there is none.
func Next[T any](more bool, items []T, cursor func(T) string) string {
	if !more {
		return ""
	}
	return cursor(items[len(items)-1])
}

// List is what of a list was asked for.
func (asked *Ask) List() browse.Query {
	return browse.Query{Match: asked.Query.Get("match"), Last: asked.Query.Get("after"), N: asked.Limit}
}

// Moment is a time, nil if there is none.
func Moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
