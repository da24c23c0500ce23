package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"cove/errdefs"
)

// maxBody is the longest body of JSON that is read; one container's is some
// kilobytes, with a seccomp profile of its own a hundred.
const maxBody = 4 << 20

// JSON answers with v.
func JSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	return Encode(w, v)
}

// Decode reads a body of JSON; none leaves v as it is. One that does not say that it is JSON
// is refused: a page in a browser can have such a body sent anywhere without being asked,
// with the certificate of whoever looks at it.
func Decode(r *http.Request, v any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return errdefs.Errorf(errdefs.ErrInvalid, "reading the request: %w", err)
	case len(body) > maxBody:
		return errdefs.Errorf(errdefs.ErrInvalid, "the request has more than %d bytes of JSON", maxBody)
	case len(strings.TrimSpace(string(body))) == 0:
		return nil
	}
	said := r.Header.Get("Content-Type")
	if kind, _, err := mime.ParseMediaType(said); err != nil || kind != "application/json" {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"unsupported Content-Type header (%s): must be 'application/json'", said)
	}
	in := json.NewDecoder(bytes.NewReader(body))
	if err := in.Decode(v); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid JSON: %w", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return errdefs.Errorf(errdefs.ErrInvalid, "invalid JSON: unexpected content after JSON")
	}
	if hasNUL(body) {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"the request has a text with a NUL character, which no name, argument or variable can have")
	}
	return nil
}

// hasNUL reports whether one of the texts of a valid document has the character that ends
// what the kernel is given.
func hasNUL(doc []byte) bool {
	for i := 0; i < len(doc); i++ {
		if doc[i] == '\\' {
			if i++; bytes.HasPrefix(doc[i:], []byte("u0000")) {
				return true
			}
		}
	}
	return false
}

// statuses are those of the kinds of failure, the more telling first.
var statuses = []struct {
	kind   error
	status int
}{
	{errdefs.ErrNotFound, http.StatusNotFound},
	{errdefs.ErrInvalid, http.StatusBadRequest},
	{errdefs.ErrExists, http.StatusConflict},
	{errdefs.ErrConflict, http.StatusConflict},
	{errdefs.ErrUnauthenticated, http.StatusUnauthorized},
	{errdefs.ErrDenied, http.StatusForbidden},
	{errdefs.ErrUnsupported, http.StatusNotImplemented},
}

// Status is the status of an error: docker has none for what is down or full but 500.
func Status(err error) int {
	var asked *StatusError
	if errors.As(err, &asked) {
		return asked.Status
	}
	for _, s := range statuses {
		if errors.Is(err, s.kind) {
			return s.status
		}
	}
	return http.StatusInternalServerError
}

// Missing has the words that docker's clients look for in something that is not there:
// "No such image: NAME". Other errors stay as they are.
func Missing(err error, what, name string) error {
	if err != nil && Status(err) == http.StatusNotFound {
		return errdefs.Errorf(errdefs.ErrNotFound, "No such %s: %s", what, name)
	}
	return err
}

// StatusError is an error with a status that its kind does not have.
type StatusError struct {
	Status int
	Err    error
}

func (e *StatusError) Error() string { return e.Err.Error() }
func (e *StatusError) Unwrap() error { return e.Err }

// words are the API's for what would help against a failure. %s is what the remedy is
// done to.
var words = map[errdefs.Remedy]string{
	errdefs.Force:           "force does it all the same",
	errdefs.StopFirst:       "stop %s first",
	errdefs.GiveName:        "give one with the parameter name",
	errdefs.PlainHTTP:       "if plain HTTP is meant, list %s as an insecure registry in the engine's configuration",
	errdefs.Login:           "sign in with docker login %s",
	errdefs.Entitle:         "allow the build %s",
	errdefs.NoNetwork:       "or do without a network: NetworkMode none",
	errdefs.GiveSecret:      "give the build the secret %s",
	errdefs.GiveAgent:       "give the build the ssh agent %s",
	errdefs.NameRoot:        "serve the API of the root %s",
	errdefs.Prune:           "make room, or remove what is not used with: docker system prune",
	errdefs.MakeProject:     "make the project %s at the registry",
	errdefs.MigrateUp:       "bring up the registry's database below %s",
	errdefs.MakeAdmin:       "make an administrator at the registry",
	errdefs.ScanFirst:       "have it scanned at the registry",
	errdefs.JoinUsers:       "UsernsMode container:%s joins that too",
	errdefs.KeepUsers:       "UsernsMode keep-id has yours be yours inside",
	errdefs.GiveKey:         "add a key to the engine's configuration",
	errdefs.ListenElsewhere: "end it, or listen elsewhere",
	errdefs.CopyFiles:       "copy the files",
	errdefs.NameService:     "say where its service is",
	errdefs.FreeSpace:       "free some space and try again",
	errdefs.LockAnew:        "build it once without being locked",
	errdefs.RecoverDatabase: "recover the registry's database below %s",
}

// Text is the text of err, with what would help.
func Text(err error) string { return errdefs.Text(err, words) }

// WriteError answers with an error in docker's shape.
func WriteError(w http.ResponseWriter, err error) {
	body, _ := json.Marshal(struct {
		Message string `json:"message"`
	}{Text(err)})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(Status(err))
	fmt.Fprintf(w, "%s\n", body)
}

// WriteTextError answers with an error as a line of text, which is docker's shape where a
// stream was asked for, and for clients older than any that is served.
func WriteTextError(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(Status(err))
	fmt.Fprintf(w, "%s\r\n", Text(err))
}

// Encode writes v as one line of an answer that has begun.
func Encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Streamed has an answer written as a stream. An error before its first byte is
// answered as any other; one after it cuts the connection, so that nobody takes half
// of an archive for a whole one.
func Streamed(w http.ResponseWriter, write func(w http.ResponseWriter) error) error {
	first := &firstByte{ResponseWriter: w}
	err := write(first)
	if err != nil && first.begun {
		return cut(w, err)
	}
	return err
}

type firstByte struct {
	http.ResponseWriter
	begun bool
}

func (f *firstByte) Write(p []byte) (int, error) {
	f.begun = true
	return f.ResponseWriter.Write(p)
}

// ErrCut is of an answer that ended half-way; its connection is closed.
var ErrCut = errors.New("the answer was cut off")

func cut(w http.ResponseWriter, err error) error {
	if conn, _, herr := http.NewResponseController(w).Hijack(); herr == nil {
		conn.Close()
	}
	return fmt.Errorf("%w: %w", ErrCut, err)
}

// Words is a list of words, which older clients write as one.
type Words []string

// UnmarshalJSON reads either.
func (ws *Words) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil && string(data) != "null" {
		*ws = Words{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(ws))
}
