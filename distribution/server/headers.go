package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
)

// created answers 201 for something that has a digest. Locations are paths
// alone: what host and scheme lead here is the client's knowledge, not ours.
func created(w http.ResponseWriter, repo, kind string, dgst digest.Digest) {
	h := w.Header()
	h.Set("Location", "/v2/"+repo+kind+dgst.String())
	h.Set("Docker-Content-Digest", dgst.String())
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
}

// uploadState names an upload and how far it is. The Range of an empty upload
// is "0-0", the same as after one byte; that is what docker's registry answers
// and clients expect.
func uploadState(h http.Header, repo string, up distribution.Upload) {
	h.Set("Location", "/v2/"+repo+"/blobs/uploads/"+up.ID())
	h.Set("Range", "0-"+strconv.FormatInt(max(0, up.Offset()-1), 10))
	h.Set("Docker-Upload-Uuid", up.ID())
}

// cutTag takes one entity tag off an If-None-Match list; weakness does not
// matter for what never changes.
func cutTag(list string) (tag, rest string) {
	tag, rest, _ = strings.Cut(list, ",")
	return strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`), rest
}

func writeJSON(w http.ResponseWriter, mediaType string, v any) error {
	// Nothing here is ever shown as HTML, and escaping for that would make six
	// bytes of some.
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	b := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b) // a client that is gone hears nothing
	return nil
}

// precondition is what a push of a manifest asks to be so of what its path names:
// tags that it has as parameters are none of that.
func precondition(h http.Header, t target) (distribution.Precondition, bool) {
	p := distribution.Precondition{
		Match: entityTags(h.Values("If-Match"), false), NoneMatch: entityTags(h.Values("If-None-Match"), true),
	}
	if t.dgst == "" {
		p.Tag = t.ref
	}
	return p, p.Match != nil || p.NoneMatch != nil
}

// entityTags reads the lines of a header, nil without any. A weak one never matches
// where the comparison is strong (RFC 9110, 8.8.3.2). One that is no digest names
// nothing that is here.
func entityTags(lines []string, weak bool) *distribution.EntityTags {
	if len(lines) == 0 {
		return nil
	}
	tags := &distribution.EntityTags{}
	for list := strings.Join(lines, ","); list != ""; {
		isWeak := strings.HasPrefix(strings.TrimSpace(list), "W/")
		var tag string
		switch tag, list = cutTag(list); {
		case tag == "*":
			tags.Any = true
		case weak || !isWeak:
			tags.Digests = append(tags.Digests, digest.Digest(tag))
		}
	}
	return tags
}
