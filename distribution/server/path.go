package server

import (
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/distribution/errcode"
	"cove/reference"
)

// endpoint is one shape of path in the specification's table of endpoints.
type endpoint int

const (
	baseEnd endpoint = iota
	catalogEnd
	tagsEnd
	manifestEnd
	blobEnd
	uploadsEnd
	uploadEnd
	referrerEnd
	endpoints
)

// String is the endpoint's path with its parts in braces.
func (e endpoint) String() string {
	return [endpoints]string{
		baseEnd:     "/v2/",
		catalogEnd:  "/v2/_catalog",
		tagsEnd:     "/v2/{name}/tags/list",
		manifestEnd: "/v2/{name}/manifests/{reference}",
		blobEnd:     "/v2/{name}/blobs/{digest}",
		uploadsEnd:  "/v2/{name}/blobs/uploads/",
		uploadEnd:   "/v2/{name}/blobs/uploads/{upload}",
		referrerEnd: "/v2/{name}/referrers/{digest}",
	}[e]
}

// target is what a path names: the endpoint, the repository, and the tag,
// digest or upload id at its end.
type target struct {
	end  endpoint
	repo string
	ref  string
	dgst digest.Digest // of ref, where that is a digest
	// query is the request's parameters.
	query url.Values
}

// maxUploadID bounds an upload's id; the registry chooses them, clients only
// give them back.
const maxUploadID = 256

// parsePath reads the path of a request. Repositories have slashes, so it
// reads from the end: the last component is the reference and the one before
// says of what. A path that is no endpoint at all is ok == false; one whose
// parts are malformed is an error with the code that the part has.
func parsePath(path string) (t target, ok bool, err *errcode.Error) {
	rest, found := strings.CutPrefix(path, "/v2")
	switch {
	case !found:
		return target{}, false, nil
	case rest == "" || rest == "/":
		return target{end: baseEnd}, true, nil
	case rest == "/_catalog":
		return target{end: catalogEnd}, true, nil
	case rest[0] != '/':
		return target{}, false, nil
	}
	head, last, ok := cutLast(rest[1:])
	if !ok {
		return target{}, false, nil
	}
	name, word, ok := cutLast(head)
	if !ok {
		return target{}, false, nil
	}
	t = target{repo: name, ref: last}
	switch word {
	case "manifests":
		t.end = manifestEnd
	case "referrers":
		t.end = referrerEnd
	case "tags":
		t.end, ok = tagsEnd, last == "list"
	case "blobs":
		t.end = blobEnd
		if last == "uploads" { // without its slash, as some clients send it
			t.end, t.ref = uploadsEnd, ""
		}
	case "uploads":
		t.end = uploadEnd
		if last == "" {
			t.end = uploadsEnd
		}
		t.repo, ok = strings.CutSuffix(name, "/blobs")
	default:
		ok = false
	}
	if !ok {
		return target{}, false, nil
	}
	return t, true, t.check()
}

// cutLast splits s at its last slash.
func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// check holds the parts against their grammars and fills in the digest.
func (t *target) check() *errcode.Error {
	if !reference.ValidRepository(t.repo) {
		return errcode.New(400, errcode.NameInvalid,
			"repository name is not valid: want lower-case components joined by slashes")
	}
	switch t.end {
	case blobEnd, referrerEnd:
		return t.parseDigest()
	case manifestEnd:
		if strings.IndexByte(t.ref, ':') >= 0 {
			return t.parseDigest()
		}
		if !reference.ValidTag(t.ref) {
			return invalidTag()
		}
	case uploadEnd:
		if !validUploadID(t.ref) {
			return errcode.New(404, errcode.BlobUploadUnknown, "upload unknown")
		}
	}
	return nil
}

func invalidTag() *errcode.Error {
	return errcode.New(400, errcode.TagInvalid,
		"tag is not valid: want up to 128 letters, digits, \".\", \"_\" and \"-\"")
}

func (t *target) parseDigest() *errcode.Error {
	d, err := reference.ParseDigest(t.ref)
	if err != nil {
		return errcode.New(400, errcode.DigestInvalid, err.Error())
	}
	t.dgst = d
	return nil
}

// validUploadID keeps what reaches the registry to letters, digits, "-", "_",
// "." and "=", and never a path.
func validUploadID(id string) bool {
	if id == "" || len(id) > maxUploadID || id[0] == '.' {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte("-_.=", c) < 0 {
			return false
		}
	}
	return true
}

// parseQuery reads a request's parameters with "+" as itself: no digest, name,
// tag or media type has the space that HTML forms write so, and media types
// have a plus ("application/spdx+json"). What cannot be read is an error: a
// parameter left out would make another request of it.
func parseQuery(raw string) (url.Values, *errcode.Error) {
	q, err := url.ParseQuery(strings.ReplaceAll(raw, "+", "%2B"))
	if err != nil {
		return nil, errcode.New(400, errcode.Unsupported, "the query cannot be read: "+err.Error())
	}
	return q, nil
}
