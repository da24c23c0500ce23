// Package errcode is the one table between error kinds and the wire.
//
// The server turns an errdefs kind, and the object the request was about, into
// a code of the Distribution specification and an HTTP status; the client
// turns an answer back into an error of the same kind. Package answer writes and
// reads the body: who only asks what a code means links no HTTP.
package errcode

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"cove/distribution"
	"cove/errdefs"
)

// Code is an error code of the Distribution specification, or one of the few
// that docker's registry added and every client knows.
type Code string

// The codes. The first fourteen are the specification's own (spec.md, "Error
// Codes").
const (
	BlobUnknown         Code = "BLOB_UNKNOWN"
	BlobUploadInvalid   Code = "BLOB_UPLOAD_INVALID"
	BlobUploadUnknown   Code = "BLOB_UPLOAD_UNKNOWN"
	DigestInvalid       Code = "DIGEST_INVALID"
	ManifestBlobUnknown Code = "MANIFEST_BLOB_UNKNOWN"
	ManifestInvalid     Code = "MANIFEST_INVALID"
	ManifestUnknown     Code = "MANIFEST_UNKNOWN"
	NameInvalid         Code = "NAME_INVALID"
	NameUnknown         Code = "NAME_UNKNOWN"
	SizeInvalid         Code = "SIZE_INVALID"
	Unauthorized        Code = "UNAUTHORIZED"
	Denied              Code = "DENIED"
	Unsupported         Code = "UNSUPPORTED"
	TooManyRequests     Code = "TOOMANYREQUESTS"
	TagInvalid          Code = "TAG_INVALID"
	RangeInvalid        Code = "RANGE_INVALID"
	PaginationInvalid   Code = "PAGINATION_NUMBER_INVALID"
	Conflict            Code = "CONFLICT"
	PreconditionFailed  Code = "PRECONDITION_FAILED"
	QuotaExceeded       Code = "QUOTA_EXCEEDED"
	Unavailable         Code = "UNAVAILABLE"
	Unknown             Code = "UNKNOWN"
)

// Object is what a request was about. With the error's kind it decides the
// code: what is not found is a BLOB_UNKNOWN or a MANIFEST_UNKNOWN.
type Object int

// The objects of the protocol.
const (
	Registry Object = iota
	Repository
	Blob
	Upload
	Manifest
)

// String is the object's name.
func (o Object) String() string {
	return [...]string{
		Registry: "registry", Repository: "repository", Blob: "blob", Upload: "upload",
		Manifest: "manifest",
	}[o]
}

// Error is an error with its code. As a value made by a handler it overrides
// the table; as a value made by answer.Parse it is what a registry answered.
type Error struct {
	Code   Code
	Status int
	// Kind is the errdefs kind; errors.Is sees it.
	Kind    error
	Message string
	// Detail goes into the body as it is; nil is left out.
	Detail any
	// Host names the registry that answered; "" on the server's side.
	Host string
	// RetryAfter is how long the peer asks to wait; 0 when it does not say.
	RetryAfter time.Duration
	// Err is the cause, for logs; it never goes over the wire.
	Err error
}

// Error is the message. What a registry answered reads
// "403 from registry HOST: MESSAGE".
func (e *Error) Error() string {
	if e.Host == "" {
		return e.Message
	}
	return fmt.Sprintf("%d from registry %s: %s", e.Status, e.Host, e.Message)
}

// Unwrap makes the kind and the cause reachable.
func (e *Error) Unwrap() []error {
	var out []error
	if e.Kind != nil {
		out = append(out, e.Kind)
	}
	if e.Err != nil {
		out = append(out, e.Err)
	}
	return out
}

// row is one line of the table: the status of a kind, the code when the object
// has none of its own, and the codes by object.
type row struct {
	kind   error
	status int
	code   Code
	by     map[Object]Code
}

// The order matters where an error is of two kinds: a missing repository that
// a caller may not see is denied, not unknown.
var table = []row{
	{errdefs.ErrUnauthenticated, 401, Unauthorized, nil},
	{errdefs.ErrDenied, 403, Denied, nil},
	{errdefs.ErrUnsupported, 405, Unsupported, nil},
	{errdefs.ErrExhausted, 413, QuotaExceeded, nil},
	{distribution.ErrPrecondition, 412, PreconditionFailed, nil},
	{errdefs.ErrConflict, 409, Conflict, nil},
	{errdefs.ErrExists, 409, Conflict, nil},
	{errdefs.ErrUnavailable, 503, Unavailable, nil},
	{errdefs.ErrNotFound, 404, NameUnknown, map[Object]Code{
		Blob: BlobUnknown, Upload: BlobUploadUnknown, Manifest: ManifestUnknown,
	}},
	{errdefs.ErrInvalid, 400, Unsupported, map[Object]Code{
		Repository: NameInvalid, Blob: DigestInvalid, Upload: BlobUploadInvalid, Manifest: ManifestInvalid,
	}},
}

// kindOf is the way back, by code; the status decides where a code is not here.
var kindOf = map[Code]error{
	BlobUnknown:         errdefs.ErrNotFound,
	BlobUploadInvalid:   errdefs.ErrInvalid,
	BlobUploadUnknown:   errdefs.ErrNotFound,
	DigestInvalid:       errdefs.ErrInvalid,
	ManifestBlobUnknown: errdefs.ErrNotFound,
	ManifestInvalid:     errdefs.ErrInvalid,
	ManifestUnknown:     errdefs.ErrNotFound,
	NameInvalid:         errdefs.ErrInvalid,
	NameUnknown:         errdefs.ErrNotFound,
	SizeInvalid:         errdefs.ErrInvalid,
	Unauthorized:        errdefs.ErrUnauthenticated,
	Denied:              errdefs.ErrDenied,
	Unsupported:         errdefs.ErrUnsupported,
	TooManyRequests:     errdefs.ErrUnavailable,
	TagInvalid:          errdefs.ErrInvalid,
	RangeInvalid:        errdefs.ErrInvalid,
	PaginationInvalid:   errdefs.ErrInvalid,
	Conflict:            errdefs.ErrConflict,
	PreconditionFailed:  errdefs.ErrConflict,
	QuotaExceeded:       errdefs.ErrExhausted,
	Unavailable:         errdefs.ErrUnavailable,
}

// KindOf is the errdefs kind of a code, nil when the code says nothing of it.
func KindOf(code Code) error { return kindOf[code] }

// Printable drops control characters: a message ends on a user's terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return -1
		}
		return r
	}, s)
}

// New returns an Error of a code the table does not reach by kind alone. Its
// kind is the code's.
func New(status int, code Code, message string) *Error {
	return &Error{Code: code, Status: status, Kind: kindOf[code], Message: message}
}

// For returns err as it goes over the wire: itself when it is an *Error
// already, else what the table says for its kind and the object. An error of
// no kind is a 500 whose text stays here: it may name paths and hosts that are
// not the caller's to know.
func For(err error, obj Object) *Error {
	var e *Error
	if errors.As(err, &e) && e.Host == "" {
		return e
	}
	var missing *distribution.MissingError
	if errors.As(err, &missing) {
		return &Error{
			Code: ManifestBlobUnknown, Status: 400, Kind: errdefs.ErrNotFound,
			Message: err.Error(), Detail: missing.Digests, Err: err,
		}
	}
	if e := quota(err); e != nil {
		return e
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &Error{
			Code: Unavailable, Status: 507, Kind: errdefs.ErrExhausted,
			Message: "the registry's storage is full; what was pushed before is safe, ask its operator for room",
			Err:     err,
		}
	}
	if errors.Is(err, errdefs.ErrCorrupt) {
		return corrupt(err, obj)
	}
	for _, r := range table {
		if errors.Is(err, r.kind) {
			code := r.code
			if c, ok := r.by[obj]; ok && !errors.Is(err, distribution.ErrNoRepository) {
				code = c
			}
			return &Error{Code: code, Status: r.status, Kind: r.kind, Message: err.Error(), Err: err}
		}
	}
	return &Error{
		Code: Unknown, Status: 500,
		Message: "the registry failed inside; its log says why", Err: err,
	}
}

// quota says that a project has no room. The code is the one at which docker does not
// try again; it would send everything anew.
func quota(err error) *Error {
	var full *distribution.QuotaError
	if !errors.As(err, &full) {
		return nil
	}
	return &Error{
		Code: Denied, Status: 413, Kind: errdefs.ErrExhausted, Message: full.Error(),
		Detail: map[string]any{"project": full.Project, "limit": full.Limit, "used": full.Used, "more": full.More},
		Err:    err,
	}
}

// corrupt tells received bytes, which the client can send again, from stored
// ones: those are answered as if they were not there, so that a push heals
// them.
func corrupt(err error, obj Object) *Error {
	switch obj {
	case Upload:
		return &Error{
			Code: DigestInvalid, Status: 400, Kind: errdefs.ErrCorrupt,
			Message: err.Error(), Err: err,
		}
	case Blob:
		return &Error{
			Code: BlobUnknown, Status: 404, Kind: errdefs.ErrCorrupt,
			Message: "stored bytes do not match the digest; push it again", Err: err,
		}
	case Manifest:
		return &Error{
			Code: ManifestUnknown, Status: 404, Kind: errdefs.ErrCorrupt,
			Message: "stored bytes do not match the digest; push it again", Err: err,
		}
	default:
		return &Error{
			Code: Unknown, Status: 500, Kind: errdefs.ErrCorrupt,
			Message: "stored bytes do not match their digest", Err: err,
		}
	}
}
