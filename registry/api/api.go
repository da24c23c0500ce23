package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"cove/distribution"
	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/browse"
	"cove/registry/metadata"
	"cove/registry/projects"
)

// Base is the path below which everything is.
const Base = "/api/v1"

const (
	maxBody  = 64 << 10
	maxLimit = 100
	perPage  = 50
)

// Config is what the API needs, all of it.
type Config struct {
	DB       *metadata.DB
	Registry distribution.Registry // what is deleted and read goes through it
	Judge    auth.Judge
	Accounts *accounts.Accounts
	Projects *projects.Projects
	Audit    *audit.Log
	// Identify finds out who asks; see auth.Authorizer.
	Identify func(*http.Request) (auth.Caller, error)
	Log      *slog.Logger
	// Origins refuses what browsers send from other sites.
	Origins *http.CrossOriginProtection
}

// API answers below Base. It is safe for concurrent use.
type API struct {
	cfg    Config
	browse *browse.Browser
}

// New returns the API.
func New(cfg Config) *API {
	return &API{cfg: cfg, browse: browse.New(cfg.DB, cfg.Registry, cfg.Judge)}
}

// Route is one method of one path, and the right that it takes.
type Route struct {
	Method, Path string // with parts in braces, as http.ServeMux has them
	Right        auth.Right
	Object       string // what the request is about
	Handler      http.HandlerFunc
}

// Routes lists all routes of the API.
func (a *API) Routes() []Route {
	table := a.table()
	routes := make([]Route, len(table))
	for i, op := range table {
		routes[i] = Route{op.method, Base + op.path, op.right, op.object, a.handle(op)}
	}
	return routes
}

// ask is one request.
type ask struct {
	*http.Request
	w      http.ResponseWriter
	caller auth.Caller
	query  url.Values
	limit  int
}

// handle is everything around a handler: who asks, whether he may, what he may
// send, and what becomes of the answer or the error.
func (a *API) handle(op operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "private, no-cache")
		w.Header().Set("Vary", "Authorization")
		asked := &ask{Request: r, w: w}
		answer, err := a.run(asked, op)
		if err != nil {
			a.fail(w, r, err)
			return
		}
		asked.answer(op, answer)
	}
}

func (a *API) run(asked *ask, op operation) (any, error) {
	if err := a.admit(asked, op); err != nil {
		return nil, err
	}
	if err := asked.check(op); err != nil {
		return nil, err
	}
	return op.serve(asked)
}

// admit finds out who asks, and whether the request may go on.
func (a *API) admit(asked *ask, op operation) (err error) {
	if err := a.cfg.Origins.Check(asked.Request); err != nil {
		return errdefs.Errorf(errdefs.ErrDenied, "this request was sent by a page of another site")
	}
	if asked.caller, err = a.cfg.Identify(asked.Request); err != nil {
		return err
	}
	if asked.caller.Token() {
		return errdefs.Errorf(errdefs.ErrUnauthenticated,
			"a token of the registry is for images alone; use a name and password")
	}
	if !clean(asked.URL.Path) {
		return invalid("the path is no text")
	}
	project, err := projectOf(asked.Request)
	if err != nil {
		return err
	}
	switch op.right {
	case auth.Open:
		return nil
	case auth.SignIn:
		if asked.caller.Name == "" {
			return errdefs.Errorf(errdefs.ErrUnauthenticated, "authentication required")
		}
		return nil
	}
	return a.cfg.Judge.Permit(asked.Context(), a.cfg.DB, asked.caller, op.right, project)
}

// projectOf is the project that the request's path is about; "" if it is about none.
func projectOf(r *http.Request) (string, error) {
	return browse.ProjectOf(r.PathValue("repository"), r.PathValue("artifact"), r.PathValue("project"))
}

// check refuses what the operation would not look at: a misspelt filter must not
// answer with everything.
func (asked *ask) check(op operation) (err error) {
	if asked.query, err = url.ParseQuery(asked.URL.RawQuery); err != nil {
		return invalid("query: %w", err)
	}
	known := map[string]parameter{}
	for _, p := range op.query {
		known[p.name] = p
	}
	for name, values := range asked.query {
		switch p, ok := known[name]; {
		case !ok:
			return invalid("query: there is no parameter %q here", name)
		case len(values) > 1:
			return invalid("query: %q is given %d times", name, len(values))
		case p.kind == kindText && !clean(values[0]):
			return invalid("query: %q is no text", name)
		}
	}
	asked.limit = perPage
	if text := asked.query.Get("limit"); text != "" {
		asked.limit, err = strconv.Atoi(text)
		if err != nil || asked.limit < 1 || asked.limit > maxLimit {
			return invalid("query: limit %q is not a number from 1 to %d", text, maxLimit)
		}
	}
	if asked.Header.Get("If-Match") != "" && (op.method != http.MethodPatch) {
		return invalid("If-Match is looked at where something is changed (PATCH)")
	}
	return nil
}

// clean says that a text may be asked of every database.
func clean(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// read reads the body into what the operation wants.
func (asked *ask) read(into any) error {
	kind, _, _ := strings.Cut(asked.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		return errUnread
	}
	dec := json.NewDecoder(http.MaxBytesReader(asked.w, asked.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return bodyError(err)
	}
	if dec.More() {
		return invalid("body: there is more after the JSON object")
	}
	return nil
}

// answer writes what a handler returned.
func (asked *ask) answer(op operation, v any) {
	if op.answer == nil && v == nil {
		asked.w.WriteHeader(op.status)
		return
	}
	body, err := encode(v)
	if err != nil { // no type of this package fails to encode
		writeProblem(asked.w, errcode.For(err, errcode.Registry))
		return
	}
	h := asked.w.Header()
	if op.etag {
		tag := etagOf(body)
		h.Set("ETag", tag)
		if op.method == http.MethodGet && matches(asked.Header.Get("If-None-Match"), tag) {
			asked.w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	asked.w.WriteHeader(op.status)
	_, _ = asked.w.Write(body) // the client is gone; nobody is left to tell
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

func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
}

// matches says whether a list of entity tags has this one (RFC 9110, 13.1).
func matches(list, tag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}

// unchanged is the precondition of a change: that If-Match, if it was sent, names
// the object as it is now.
func (asked *ask) unchanged(now any) error {
	want := asked.Header.Get("If-Match")
	if want == "" {
		return nil
	}
	body, err := encode(now)
	if err != nil {
		return err
	}
	if strings.Contains(want, "W/") || !matches(want, etagOf(body)) { // a weak one never matches
		return errChanged
	}
	return nil
}

// page answers with a page of a list, and says where the next is.
func page[T any](asked *ask, items []T, next string) Page[T] {
	if items == nil {
		items = []T{}
	}
	if next != "" {
		q := url.Values{}
		for name, values := range asked.query {
			q[name] = values
		}
		q.Set("after", next)
		asked.w.Header().Set("Link", "<"+asked.URL.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
	}
	return Page[T]{items, next}
}

func invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}
