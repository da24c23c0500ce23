package server

import (
	"bytes"
	"encoding/json"
	"math"
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

// parseContentRange reads START-END, both inclusive, as the specification
// writes it, and RFC 9110's "bytes START-END/TOTAL", which some clients send.
func parseContentRange(v string) (start, end int64, ok bool) {
	v = strings.TrimPrefix(v, "bytes ")
	v, _, _ = strings.Cut(v, "/")
	first, last, found := strings.Cut(v, "-")
	if !found {
		return 0, 0, false
	}
	start, ok1 := decimal(first)
	end, ok2 := decimal(last)
	if !ok1 || !ok2 || end < start || end == math.MaxInt64 {
		return 0, 0, false
	}
	return start, end, true
}

// decimal reads digits and nothing else: no sign, no space.
func decimal(s string) (int64, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
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
