package distributiontest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// testHTTPTable is the specification (1.1), request by request, in an order in
// which each may stand on those before.
func testHTTPTable(t *testing.T, s Subject) {
	host := Serve(t, s.Context, s.Registry)
	location := ""
	for _, x := range slices.Concat(baseTable(), uploadTable(), blobTable(), manifestTable(t), listTable(t), deleteTable(t)) {
		ok := t.Run(x.name, func(t *testing.T) {
			resp := x.roundTrip(t, host, location)
			if l := resp.Header.Get("Location"); l != "" {
				location = l
			}
		})
		if !ok && strings.Contains(x.path, "uploads") {
			t.Fatal("the rest stands on it")
		}
	}
}

const hello = "hello, blob"

var (
	helloDigest  = digest.FromString(hello)
	helloPath    = "/v2/suite/table/blobs/" + helloDigest.String()
	absentDigest = digest.FromString("absent")
)

const uploadsPath = "/v2/suite/table/blobs/uploads/"

func baseTable() []exchange {
	return []exchange{
		{name: "base", method: "GET", path: "/v2/", status: 200, in: "{}"},
		{name: "base without slash", method: "GET", path: "/v2", status: 200},
		{name: "no endpoint", method: "GET", path: "/v2/nothing", status: 404, in: `{"errors":[{"code":"`},
		{name: "no method", method: "PATCH", path: helloPath, status: 405, want: []string{"Allow", "GET, HEAD, DELETE"}, in: "UNSUPPORTED"},
		{name: "bad name", method: "GET", path: "/v2/UPPER/tags/list", status: 400, in: "NAME_INVALID"},
		{name: "dotted name", method: "GET", path: "/v2/a/../b/tags/list", status: 400, in: "NAME_INVALID"},
		{name: "no repository", method: "GET", path: "/v2/suite/none/tags/list", status: 404, in: "NAME_UNKNOWN"},
		{name: "manifest of no repository", method: "GET", path: "/v2/suite/none/manifests/v1", status: 404, in: "NAME_UNKNOWN"},
		{name: "blob of no repository", method: "GET", path: "/v2/suite/none/blobs/" + absentDigest.String(), status: 404, in: "NAME_UNKNOWN"},
	}
}

func uploadTable() []exchange {
	const octets = "application/octet-stream"
	q := "?digest=" + helloDigest.String()
	created := []string{"Location", helloPath, "Docker-Content-Digest", helloDigest.String()}
	return []exchange{
		{name: "POST opens", method: "POST", path: uploadsPath, status: 202, want: []string{"Range", "0-0", "Content-Length", "0"}},
		{name: "PUT commits whole", method: "PUT", path: "LOCATION" + q, body: hello, header: []string{"Content-Type", octets}, status: 201, want: created},
		{name: "PUT again", method: "PUT", path: uploadsPath + "gone" + q, body: hello, status: 404, in: "BLOB_UPLOAD_UNKNOWN"},
		{name: "POST with digest", method: "POST", path: uploadsPath + q, body: hello, status: 201, want: created},
		{name: "POST with wrong digest", method: "POST", path: uploadsPath + "?digest=" + absentDigest.String(), body: hello, status: 400, in: "DIGEST_INVALID"},
		{name: "POST with bad digest", method: "POST", path: uploadsPath + "?digest=sha256:xy", body: hello, status: 400, in: "DIGEST_INVALID"},
		{name: "POST without slash", method: "POST", path: strings.TrimSuffix(uploadsPath, "/"), status: 202},

		{name: "POST for chunks", method: "POST", path: uploadsPath, status: 202},
		{name: "GET status of none", method: "GET", path: "LOCATION", status: 204, want: []string{"Range", "0-0"}},
		{name: "PATCH with nonsense at first", method: "PATCH", path: "LOCATION", body: "h", header: []string{"Content-Range", "a-b"}, status: 416, want: []string{"Range", "0-0"}, in: "RANGE_INVALID"},
		{name: "PATCH out of order at first", method: "PATCH", path: "LOCATION", body: "llo", header: []string{"Content-Range", "2-4"}, status: 416, want: []string{"Range", "0-0"}, in: "RANGE_INVALID"},
		{name: "PATCH first chunk", method: "PATCH", path: "LOCATION", body: "hello", header: []string{"Content-Range", "0-4"}, status: 202, want: []string{"Range", "0-4"}},
		{name: "PATCH first chunk again", method: "PATCH", path: "LOCATION", body: "hello", header: []string{"Content-Range", "0-4"}, status: 416, want: []string{"Range", "0-4"}, in: "RANGE_INVALID"},
		{name: "PATCH with a gap", method: "PATCH", path: "LOCATION", body: "blob", header: []string{"Content-Range", "7-10"}, status: 416, want: []string{"Range", "0-4"}},
		{name: "PATCH with nonsense", method: "PATCH", path: "LOCATION", body: "blob", header: []string{"Content-Range", "a-b"}, status: 416},
		{name: "PATCH of two sizes", method: "PATCH", path: "LOCATION", body: ", ", header: []string{"Content-Range", "5-9"}, status: 400, in: "SIZE_INVALID"},
		{name: "PATCH streamed", method: "PATCH", path: "LOCATION", body: ", ", status: 202, want: []string{"Range", "0-6"}},
		{name: "GET status", method: "GET", path: "LOCATION", status: 204, want: []string{"Range", "0-6"}},
		{name: "GET status elsewhere", method: "GET", path: strings.Replace(uploadsPath, "table", "other", 1) + "x", status: 404, in: "BLOB_UPLOAD_UNKNOWN"},
		{name: "PUT out of order", method: "PUT", path: "LOCATION" + q, body: "blob", header: []string{"Content-Range", "0-3"}, status: 416},
		{name: "PUT without digest", method: "PUT", path: "LOCATION", body: "blob", status: 400, in: "DIGEST_INVALID"},
		{name: "PUT last chunk", method: "PUT", path: "LOCATION" + q, body: "blob", header: []string{"Content-Range", "7-10"}, status: 201, want: created},

		{name: "POST to cancel", method: "POST", path: uploadsPath, status: 202},
		{name: "DELETE cancels", method: "DELETE", path: "LOCATION", status: 204},
		{name: "DELETE cancelled", method: "DELETE", path: "LOCATION", status: 404, in: "BLOB_UPLOAD_UNKNOWN"},

		{name: "POST to spoil", method: "POST", path: uploadsPath, status: 202},
		{name: "PUT with wrong digest", method: "PUT", path: "LOCATION?digest=" + absentDigest.String(), body: hello, status: 400, in: "DIGEST_INVALID"},

		{name: "mount", method: "POST", path: "/v2/suite/mount/blobs/uploads/?mount=" + helloDigest.String() + "&from=suite/table", status: 201, want: []string{"Location", "/v2/suite/mount/blobs/" + helloDigest.String(), "Docker-Content-Digest", helloDigest.String()}},
		{name: "mount of nothing", method: "POST", path: uploadsPath + "?mount=" + absentDigest.String() + "&from=suite/mount", status: 202},
		{name: "mount from nowhere", method: "POST", path: uploadsPath + "?mount=" + absentDigest.String() + "&from=suite/none", status: 202},
		{name: "mount from a bad name", method: "POST", path: uploadsPath + "?mount=" + absentDigest.String() + "&from=../..", status: 202},
		{name: "mount of a bad digest", method: "POST", path: uploadsPath + "?mount=x&from=suite/mount", status: 400, in: "DIGEST_INVALID"},
		{name: "mount of nothing from anywhere", method: "POST", path: uploadsPath + "?mount=" + absentDigest.String(), status: 202},
	}
}

func blobTable() []exchange {
	all := []string{"Docker-Content-Digest", helloDigest.String(), "Etag", quoted(helloDigest), "Accept-Ranges", "bytes", "Content-Length", "11", "Content-Type", "application/octet-stream"}
	return []exchange{
		{name: "HEAD blob", method: "HEAD", path: helloPath, status: 200, want: all},
		{name: "GET blob", method: "GET", path: helloPath, status: 200, want: all, in: hello},
		{name: "GET blob twice", method: "GET", path: helloPath, status: 200, want: all, in: hello},
		{name: "GET mounted", method: "GET", path: "/v2/suite/mount/blobs/" + helloDigest.String(), status: 200, want: all, in: hello},
		{name: "GET range", method: "GET", path: helloPath, header: []string{"Range", "bytes=7-"}, status: 206, want: []string{"Content-Range", "bytes 7-10/11", "Content-Length", "4"}, in: "blob"},
		{name: "GET range in the middle", method: "GET", path: helloPath, header: []string{"Range", "bytes=1-2"}, status: 206, want: []string{"Content-Range", "bytes 1-2/11"}, in: "el"},
		{name: "GET suffix", method: "GET", path: helloPath, header: []string{"Range", "bytes=-4"}, status: 206, in: "blob"},
		{name: "GET range beyond", method: "GET", path: helloPath, header: []string{"Range", "bytes=11-"}, status: 416, want: []string{"Content-Range", "bytes */11"}},
		{name: "GET if changed", method: "GET", path: helloPath, header: []string{"If-None-Match", quoted(helloDigest)}, status: 304},
		{name: "HEAD if changed", method: "HEAD", path: helloPath, header: []string{"If-None-Match", `"x", ` + quoted(helloDigest)}, status: 304},
		{name: "GET if other", method: "GET", path: helloPath, header: []string{"If-None-Match", `"x"`}, status: 200, in: hello},
		{name: "HEAD absent", method: "HEAD", path: "/v2/suite/table/blobs/" + absentDigest.String(), status: 404, want: []string{"Docker-Content-Digest", ""}},
		{name: "GET absent", method: "GET", path: "/v2/suite/table/blobs/" + absentDigest.String(), status: 404, in: "BLOB_UNKNOWN"},
		{name: "GET bad digest", method: "GET", path: "/v2/suite/table/blobs/sha256:123", status: 400, in: "DIGEST_INVALID"},
		{name: "GET odd algorithm", method: "GET", path: "/v2/suite/table/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", status: 400, in: "DIGEST_INVALID"},
	}
}

// tableManifest is an image whose config and layer are both hello.
func tableManifest(t *testing.T, subject *ocispec.Descriptor) (body string, desc ocispec.Descriptor) {
	blob := Blob("application/vnd.test", []byte(hello))
	m := NewManifest(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: blob, Layers: []ocispec.Descriptor{blob}, Subject: subject,
	})
	return string(m.Body), m.Descriptor
}

func manifestTable(t *testing.T) []exchange {
	const path = "/v2/suite/table/manifests/"
	image := []string{"Content-Type", ocispec.MediaTypeImageManifest}
	body, desc := tableManifest(t, nil)
	referrer, refDesc := tableManifest(t, &desc)
	// Docker's type, and space that a re-encoding would lose.
	docker := "{\n   " + strings.Replace(body, ocispec.MediaTypeImageManifest, "application/vnd.docker.distribution.manifest.v2+json", 1)[1:] + "\n"
	dockerDigest := digest.FromString(docker)
	missing := strings.Replace(body, helloDigest.String(), absentDigest.String(), 1)
	both := strings.TrimSuffix(body, "}") + `,"manifests":[]}`
	got := []string{"Docker-Content-Digest", desc.Digest.String(), "Content-Type", ocispec.MediaTypeImageManifest, "Etag", quoted(desc.Digest)}
	return []exchange{
		{name: "PUT by tag", method: "PUT", path: path + "v1", body: body, header: image, status: 201, want: []string{"Location", path + desc.Digest.String(), "Docker-Content-Digest", desc.Digest.String(), "OCI-Subject", ""}},
		{name: "PUT by digest", method: "PUT", path: path + desc.Digest.String(), body: body, header: image, status: 201},
		{
			name: "PUT by digest with tags", method: "PUT", path: path + desc.Digest.String() + "?tag=v1&tag=docker", body: body, header: image,
			status: 201, want: []string{"OCI-Tag", "v1"},
		},
		{name: "PUT by digest with a bad tag", method: "PUT", path: path + desc.Digest.String() + "?tag=a/b", body: body, header: image, status: 400, in: "TAG_INVALID"},
		{name: "PUT without type", method: "PUT", path: path + "v1", body: body, status: 201},
		{name: "PUT with parameters", method: "PUT", path: path + "v1", body: body, header: []string{"Content-Type", ocispec.MediaTypeImageManifest + "; charset=utf-8"}, status: 201},
		{name: "PUT docker", method: "PUT", path: path + "docker", body: docker, header: []string{"Content-Type", "application/vnd.docker.distribution.manifest.v2+json"}, status: 201},
		{name: "PUT referrer", method: "PUT", path: path + refDesc.Digest.String(), body: referrer, header: image, status: 201, want: []string{"OCI-Subject", desc.Digest.String()}},
		{name: "PUT under another digest", method: "PUT", path: path + absentDigest.String(), body: body, header: image, status: 400, in: "DIGEST_INVALID"},
		{name: "PUT without blobs", method: "PUT", path: path + "v2", body: missing, header: image, status: 400, in: "MANIFEST_BLOB_UNKNOWN"},
		{name: "PUT of layers and manifests", method: "PUT", path: path + "v2", body: both, header: image, status: 400, in: "MANIFEST_INVALID"},
		{name: "PUT with another type", method: "PUT", path: path + "v2", body: body, header: []string{"Content-Type", ocispec.MediaTypeImageIndex}, status: 400, in: "MANIFEST_INVALID"},
		{name: "PUT no JSON", method: "PUT", path: path + "v2", body: "{", header: image, status: 400, in: "MANIFEST_INVALID"},
		{name: "PUT nothing", method: "PUT", path: path + "v2", header: image, status: 400, in: "MANIFEST_INVALID"},
		{name: "PUT schema 1", method: "PUT", path: path + "v2", body: `{"schemaVersion":1,"fsLayers":[]}`, header: []string{"Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws"}, status: 400, in: "schema 1"},
		{name: "PUT too much", method: "PUT", path: path + "v2", body: strings.Repeat(" ", 4<<20+1), header: image, status: 413, in: "SIZE_INVALID"},
		{name: "PUT bad tag", method: "PUT", path: path + ".bad", body: body, header: image, status: 400, in: "TAG_INVALID"},

		{name: "PUT if it is another", method: "PUT", path: path + "v1", body: body, header: []string{"Content-Type", image[1], "If-Match", quoted(absentDigest)}, status: 412, in: `{"errors":[{"code":"PRECONDITION_FAILED","message":"`},
		{name: "PUT if it is weakly this", method: "PUT", path: path + "v1", body: body, header: []string{"Content-Type", image[1], "If-Match", "W/" + quoted(desc.Digest)}, status: 412, in: "PRECONDITION_FAILED"},
		{name: "PUT if it is one of these", method: "PUT", path: path + "v1", body: body, header: []string{"Content-Type", image[1], "If-Match", quoted(absentDigest) + ", " + quoted(desc.Digest)}, status: 201},
		{name: "PUT if there is any", method: "PUT", path: path + "v1", body: body, header: []string{"Content-Type", image[1], "If-Match", "*"}, status: 201},
		{name: "PUT if there was one", method: "PUT", path: path + "v2", body: body, header: []string{"Content-Type", image[1], "If-Match", "*"}, status: 412, in: "PRECONDITION_FAILED"},
		{name: "PUT if there is none", method: "PUT", path: path + "v1", body: body, header: []string{"Content-Type", image[1], "If-None-Match", "*"}, status: 412, in: "PRECONDITION_FAILED"},
		{name: "PUT if it is not this", method: "PUT", path: path + "v1", body: body, header: []string{"Content-Type", image[1], "If-None-Match", "W/" + quoted(desc.Digest)}, status: 412, in: "PRECONDITION_FAILED"},
		{name: "PUT if it is not that", method: "PUT", path: path + "v1", body: body, header: []string{"Content-Type", image[1], "If-None-Match", quoted(absentDigest)}, status: 201},
		{name: "PUT by digest if there is none", method: "PUT", path: path + desc.Digest.String(), body: body, header: []string{"Content-Type", image[1], "If-None-Match", "*"}, status: 412, in: "PRECONDITION_FAILED"},
		{name: "PUT by digest if it is there", method: "PUT", path: path + desc.Digest.String(), body: body, header: []string{"Content-Type", image[1], "If-Match", quoted(desc.Digest)}, status: 201},
		{name: "PUT what cannot be, whatever there is", method: "PUT", path: path + "v1", body: "{", header: []string{"Content-Type", image[1], "If-Match", quoted(absentDigest)}, status: 400, in: "MANIFEST_INVALID"},

		{name: "HEAD tag", method: "HEAD", path: path + "v1", status: 200, want: got},
		{name: "GET tag", method: "GET", path: path + "v1", status: 200, want: got, in: body},
		{name: "GET tag from its begin", method: "GET", path: path + "v1", header: []string{"Range", "bytes=0-9"}, status: 206, want: append([]string{"Content-Range", fmt.Sprintf("bytes 0-9/%d", len(body)), "Content-Length", "10"}, got...), in: body[:10]},
		{name: "GET digest to its end", method: "GET", path: path + desc.Digest.String(), header: []string{"Range", "bytes=10-"}, status: 206, in: body[10:]},
		{name: "GET tag beyond", method: "GET", path: path + "v1", header: []string{"Range", fmt.Sprintf("bytes=%d-", len(body))}, status: 416, want: []string{"Content-Range", fmt.Sprintf("bytes */%d", len(body))}},
		{name: "GET digest", method: "GET", path: path + desc.Digest.String(), status: 200, want: got, in: body},
		{name: "GET whatever is accepted", method: "GET", path: path + "v1", header: []string{"Accept", "text/plain"}, status: 200, want: got, in: body},
		{name: "GET docker", method: "GET", path: path + "docker", status: 200, want: []string{"Docker-Content-Digest", dockerDigest.String(), "Content-Type", "application/vnd.docker.distribution.manifest.v2+json"}, in: docker},
		{name: "GET if changed", method: "GET", path: path + "v1", header: []string{"If-None-Match", quoted(desc.Digest)}, status: 304},
		{name: "GET no tag", method: "GET", path: path + "none", status: 404, in: "MANIFEST_UNKNOWN"},
		{name: "GET impossible tag", method: "GET", path: path + ".INVALID", status: 404, in: "MANIFEST_UNKNOWN"},
		{name: "HEAD no digest", method: "HEAD", path: path + absentDigest.String(), status: 404},
	}
}

func listTable(t *testing.T) []exchange {
	_, desc := tableManifest(t, nil)
	_, refDesc := tableManifest(t, &desc)
	const tags = "/v2/suite/table/tags/list"
	const referrers = "/v2/suite/table/referrers/"
	index := []string{"Content-Type", ocispec.MediaTypeImageIndex}
	return []exchange{
		{name: "tags", method: "GET", path: tags, status: 200, want: []string{"Link", "", "Content-Type", "application/json"}, in: `{"name":"suite/table","tags":["docker","v1"]}`},
		{name: "tags by one", method: "GET", path: tags + "?n=1", status: 200, want: []string{"Link", `</v2/suite/table/tags/list?last=docker&n=1>; rel="next"`}, in: `["docker"]`},
		{name: "tags after", method: "GET", path: tags + "?n=1&last=docker", status: 200, want: []string{"Link", ""}, in: `["v1"]`},
		{name: "tags of zero", method: "GET", path: tags + "?n=0", status: 200, want: []string{"Link", ""}, in: `"tags":[]`},
		{name: "tags of too many", method: "GET", path: tags + "?n=99999999", status: 200, in: `["docker","v1"]`},
		{name: "tags of more than can be counted", method: "GET", path: tags + "?n=99999999999999999999999", status: 200, in: `["docker","v1"]`},
		{name: "tags of nonsense", method: "GET", path: tags + "?n=-1", status: 400, in: "PAGINATION_NUMBER_INVALID"},
		{name: "catalog", method: "GET", path: "/v2/_catalog", status: 200, in: `"suite/table"`},
		{name: "catalog by one", method: "GET", path: "/v2/_catalog?n=1", status: 200, in: `{"repositories":["suite/`},
		{name: "referrers", method: "GET", path: referrers + desc.Digest.String(), status: 200, want: append([]string{"OCI-Filters-Applied", ""}, index...), in: refDesc.Digest.String()},
		{name: "referrers of a type", method: "GET", path: referrers + desc.Digest.String() + "?artifactType=application/vnd.test", status: 200, want: []string{"OCI-Filters-Applied", "artifactType"}, in: refDesc.Digest.String()},
		{name: "referrers of another type", method: "GET", path: referrers + desc.Digest.String() + "?artifactType=none", status: 200, in: `"manifests":[]`},
		{name: "referrers of nothing", method: "GET", path: referrers + absentDigest.String(), status: 200, want: index, in: `"manifests":[]`},
		{name: "referrers of nonsense", method: "GET", path: referrers + "sha256:1", status: 400, in: "DIGEST_INVALID"},
	}
}

func deleteTable(t *testing.T) []exchange {
	_, desc := tableManifest(t, nil)
	const path = "/v2/suite/table/manifests/"
	return []exchange{
		{name: "DELETE tag", method: "DELETE", path: path + "docker", status: 202},
		{name: "DELETE tag again", method: "DELETE", path: path + "docker", status: 404, in: "MANIFEST_UNKNOWN"},
		{name: "DELETE manifest", method: "DELETE", path: path + desc.Digest.String(), status: 202},
		{name: "DELETE manifest again", method: "DELETE", path: path + desc.Digest.String(), status: 404, in: "MANIFEST_UNKNOWN"},
		{name: "GET deleted", method: "GET", path: path + "v1", status: 404},
		{name: "DELETE blob", method: "DELETE", path: "/v2/suite/mount/blobs/" + helloDigest.String(), status: 202},
		{name: "DELETE blob again", method: "DELETE", path: "/v2/suite/mount/blobs/" + helloDigest.String(), status: 404, in: "BLOB_UNKNOWN"},
		{name: "GET deleted blob", method: "GET", path: "/v2/suite/mount/blobs/" + helloDigest.String(), status: 404},
		{name: "GET the other", method: "GET", path: helloPath, status: 200, in: hello},
	}
}
