// Package edge is what every operation of the façade has around it: who asks and whether he
// may, which project a path is about, how pages, answers and errors look.
package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"cove/distribution"
	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/door"
	"cove/registry/banner"
	"cove/registry/browse"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
	"cove/registry/metadata"
	"cove/registry/policies"
	"cove/registry/projects"
	"cove/registry/proxy"
	"cove/registry/robots"
)

// Base is the path below which everything is.
const Base = "/api/v2.0"

const (
	maxBody  = 64 << 10
	MaxPage  = 100
	pageSize = 10 // Harbor's
)

// Config is what the façade needs, all of it but Restriction and ExternalURL.
type Config struct {
	DB       *metadata.DB
	Registry distribution.Registry // what is deleted and read goes through it
	Judge    auth.Judge
	Accounts *accounts.Accounts
	Projects *projects.Projects
	Robots   *robots.Robots
	Audit    *audit.Log
	Policies *policies.Policies
	Proxies  *proxy.Service
	// Identify finds out who asks; see auth.Authorizer.
	Identify func(*http.Request) (auth.Caller, error)
	Log      *slog.Logger
	// Origins refuses what browsers send from other sites.
	Origins *http.CrossOriginProtection
	// ExternalURL is where clients find the registry; "" is where they asked.
	ExternalURL      string
	ReadOnly         bool
	Banner           banner.Banner
	Authority        bool // the certificate is one of the registry's own authority
	SelfRegistration bool // strangers may make accounts
	AuthMode         string
}

// Edge guards operations. It is safe for concurrent use.
type Edge struct {
	Config
	Browse *browse.Browser
	Lists  listing.Lists
	door   door.Programs
}

// New returns an edge over the services; those of the zero Config answer nothing.
func New(cfg Config) *Edge {
	e := &Edge{Config: cfg, door: door.Programs{
		Door: door.Door{DB: cfg.DB, Judge: cfg.Judge}, Identify: cfg.Identify, Origins: cfg.Origins,
	}}
	if cfg.DB != nil {
		e.Browse = browse.New(cfg.DB, cfg.Registry, cfg.Judge)
		e.Lists = listing.Lists{Q: cfg.DB.Querier()}
	}
	return e
}

// Operation is one method of one path.
type Operation struct {
	Method, Path string // with parts in braces, as http.ServeMux has them
	Right        auth.Right
	Object       string // what the request is about
	Status       int    // of the answer
	Serve        func(*Ask) (any, error)
}

// Ask is one request.
type Ask struct {
	*http.Request
	W          http.ResponseWriter
	Caller     auth.Caller
	Project    string // that the path is about, by its name
	Repository string // with its project
	Page       listing.Page
	terms      []listing.Term // of q=, that nobody has taken
	unread     error          // why q= is none
	sort       []string       // as sort=, that nobody has taken
}

// Handle is everything around an operation.
func (e *Edge) Handle(op Operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "private, no-cache")
		h.Add("Vary", "Authorization")
		asked := &Ask{Request: r, W: w}
		answer, err := e.run(asked, op)
		if err != nil {
			e.fail(w, r, err)
			return
		}
		if answer == nil {
			w.WriteHeader(op.Status)
			return
		}
		if text, ok := answer.(string); ok {
			h.Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte(text)) // the client is gone; nobody is left to tell
			return
		}
		body, err := json.Marshal(answer)
		if err != nil { // no type of this package fails to encode
			e.fail(w, r, err)
			return
		}
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(op.Status)
		_, _ = w.Write(body)
	}
}

func (e *Edge) run(asked *Ask, op Operation) (any, error) {
	if err := e.admit(asked, op); err != nil {
		return nil, err
	}
	if err := asked.readQuery(); err != nil {
		return nil, err
	}
	answer, err := op.Serve(asked)
	if err == nil && asked.Method == http.MethodGet {
		err = asked.Understood()
	}
	return answer, err
}

// admit finds out who asks, and whether the request may go on.
func (e *Edge) admit(asked *Ask, op Operation) (err error) {
	if asked.Caller, err = e.door.Caller(asked.Request); err != nil {
		return err
	}
	if !door.IsText(asked.URL.Path, asked.URL.RawQuery) {
		return Invalid("the path is no text")
	}
	return e.door.Permit(asked.Context(), asked.Caller, op.Right, func() (string, error) { return e.objectOf(asked) })
}

// objectOf is the project or repository that the path is about. A number that stands for
// no project is asked about as a name that no project has, so that nobody learns more by
// it than by a name.
func (e *Edge) objectOf(asked *Ask) (string, error) {
	asked.Project = asked.PathValue("project")
	numbered := asked.Project == ""
	if numbered { // the policy of retention has the number of its project
		asked.Project = asked.PathValue("retention")
	}
	if asked.Project == "" {
		return "", nil
	}
	id, err := strconv.ParseInt(asked.Project, 10, 64)
	if err != nil && numbered {
		return "", Invalid("retention %q: its number is needed", asked.Project)
	}
	if err == nil && (numbered || asked.Header.Get("X-Is-Resource-Name") != "true") {
		if asked.Project, err = e.Named(asked, id); err != nil {
			return "", err
		}
	}
	short := asked.PathValue("repository")
	if strings.Contains(short, "%") { // Harbor's clients escape slashes twice
		if short, err = url.PathUnescape(short); err != nil {
			return "", Invalid("repository %q: that is no repository's name", short)
		}
	}
	repository := ""
	if short != "" {
		repository = asked.Project + "/" + short
		asked.Repository = repository
	}
	return browse.ObjectOf(repository, "", asked.Project)
}

// Named is the name of the project of a number, or the number as a name that no project
// has.
func (e *Edge) Named(asked *Ask, id int64) (string, error) {
	name, err := e.Lists.ProjectByID(asked.Context(), id)
	if errors.Is(err, errdefs.ErrNotFound) {
		return strconv.FormatInt(id, 10), nil
	}
	return name, err
}

// Read reads the body into what the operation wants. A field that this package does not
// know is refused: the sender means something by it.
func (asked *Ask) Read(into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(asked.W, asked.Body, maxBody))
	if err != nil {
		return Invalid("body: %w", err)
	}
	if !door.HoldsTexts(body) {
		return Invalid("body: a text holds a byte 0, or is no UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return Invalid("body: %w", err)
	}
	return nil
}

// Created says where what was made is.
func (asked *Ask) Created(path string) { asked.W.Header().Set("Location", Base+path) }

// codes are Harbor's words for kinds of errors.
var codes = map[int]string{
	http.StatusBadRequest: "BAD_REQUEST", http.StatusUnauthorized: "UNAUTHORIZED", http.StatusForbidden: "FORBIDDEN",
	http.StatusNotFound: "NOT_FOUND", http.StatusMethodNotAllowed: "METHOD_NOT_ALLOWED",
	http.StatusConflict: "CONFLICT", http.StatusPreconditionFailed: "PRECONDITION",
	http.StatusTooManyRequests: "TOO_MANY_REQUEST", http.StatusNotImplemented: "NOT_IMPLEMENTED",
}

// fail answers with an error.
func (e *Edge) fail(w http.ResponseWriter, r *http.Request, err error) {
	answer := errcode.For(err, errcode.Registry)
	status := answer.Status
	if errors.Is(err, errdefs.ErrUnsupported) { // the path takes the method: it is the wish that is not served
		status = http.StatusNotImplemented
	}
	// What failed because the client went away is no failure of ours.
	if answer.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		e.Log.ErrorContext(r.Context(), "Harbor API request failed", "method", r.Method, "path", r.URL.Path,
			"error", err)
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="harbor"`)
	}
	if answer.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(answer.RetryAfter.Seconds())+1))
	}
	problem(w, status, answer.Message)
}

func problem(w http.ResponseWriter, status int, message string) {
	code := codes[status]
	if code == "" {
		code = "UNKNOWN"
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(shape.Problems{Errors: []shape.Problem{{Code: code, Message: message}}})
}

// Slashed says that a request is for a path of the façade with a slash behind it, which
// Harbor takes for the same path: its clients send some so.
func Slashed(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, Base+"/") && strings.HasSuffix(r.URL.Path, "/")
}

// Unslashed is the request without that slash.
func Unslashed(r *http.Request) *http.Request {
	at := *r.URL
	at.Path, at.RawPath = strings.TrimSuffix(at.Path, "/"), strings.TrimSuffix(at.RawPath, "/")
	plain := *r
	plain.URL = &at
	return &plain
}

// NotFound answers to a path that there is not, or, with the methods that it takes, to
// another method of one that there is.
func NotFound(w http.ResponseWriter, allowed string) {
	if allowed != "" {
		w.Header().Set("Allow", allowed)
		problem(w, http.StatusMethodNotAllowed, "this path takes "+allowed)
		return
	}
	problem(w, http.StatusNotFound,
		"this registry answers a part of Harbor's API; this path is not in it (see docs/harbor.md), /api/v1 has all")
}

// Invalid is an error about what was sent.
func Invalid(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrInvalid, format, args...)
}

// Unsupported is an error about what Harbor has and this registry has not.
func Unsupported(format string, args ...any) error {
	return errdefs.Errorf(errdefs.ErrUnsupported, "Harbor API: not here: "+format, args...)
}

// Number reads a number that stands for something.
func Number(what, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, Invalid("%s %q: its number is needed", what, text)
	}
	return id, nil
}

// May says whether the caller has a right, in the project of the path if it is one
// towards a project.
func (e *Edge) May(asked *Ask, right auth.Right) bool {
	return e.Browse.May(asked.Context(), asked.Caller, right, asked.Project)
}

// ProjectID is the number of the project that the path names. The database has others.
func (e *Edge) ProjectID(asked *Ask) (int64, error) {
	p, err := e.Lists.Project(asked.Context(), asked.Project)
	return p.ID, err
}
