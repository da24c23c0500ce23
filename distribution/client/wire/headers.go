package wire

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/reference"
)

// NextPage finds rel="next" and returns it as a path after prefix. A link that
// leads to another host or out of the API is not followed.
func NextPage(links []string, from *url.URL, prefix string) string {
	for _, l := range links {
		target, params, ok := strings.Cut(strings.TrimSpace(l), ">")
		if !ok || !strings.HasPrefix(target, "<") ||
			!strings.Contains(strings.ReplaceAll(params, `"`, ""), "rel=next") {
			continue
		}
		u, err := from.Parse(target[1:])
		if err != nil || u.Host != from.Host {
			continue
		}
		if path, ok := strings.CutPrefix(u.RequestURI(), prefix); ok {
			return path
		}
	}
	return ""
}

// Held reads how many bytes "0-END" means. "0-0" is what registries answer
// for one byte and for none: that little is sent again.
func Held(v string) (int64, bool) {
	_, last, ok := strings.Cut(strings.TrimPrefix(v, "bytes="), "-")
	end, err := strconv.ParseInt(last, 10, 64)
	if !ok || err != nil || end <= 0 {
		return 0, false
	}
	return end + 1, true
}

// Describe reads a descriptor from the headers of an answer about ref.
func Describe(h http.Header, length int64, ref string) (ocispec.Descriptor, error) {
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	desc := ocispec.Descriptor{MediaType: strings.TrimSpace(mediaType), Size: max(0, length)}
	given := h.Get("Docker-Content-Digest")
	if strings.Contains(ref, ":") {
		given = ref // whatever the registry says
	}
	dgst, err := reference.ParseDigest(given)
	if err != nil {
		return desc, errdefs.Errorf(errdefs.ErrInvalid, "registry gives no usable digest for %s: %w", ref, err)
	}
	desc.Digest = dgst
	return desc, nil
}
