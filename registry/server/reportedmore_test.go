package server

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
	"cove/registry/server/config"
)

// TestMoreReportedToOthers goes on where TestReportedToOthers ends.
func TestMoreReportedToOthers(t *testing.T) {
	r := newReporter(t, config.Config{})
	image := r.image("team/app", "v1", []byte("a layer"))
	for _, report := range []struct {
		of    string
		tried func(*testing.T, *reporter, digest.Digest)
	}{
		{"distribution 2593, 1698, 3496: a chunk at a wrong place ends the upload, and nobody says where it is", chunkElsewhere},
		{"distribution 3141, distr 670: an upload that begins at byte 3 is 202, or 500", firstChunkElsewhere},
		{"distribution-spec 213, artifact-keeper 1349, for-linux 1296: Range is a byte too far", rangesAreInclusive},
		{"go-containerregistry 2198, distribution-spec 67: 204 for a chunk", statusOfChunks},
		{"distribution-spec 414: the status of an upload says not where it is", statusOfUploads},
		{"sdk-container-builds 471: a second stream into an upload is refused", severalStreams},
		{"zot 3642: an empty blob, an end without a length, a deleted blob that another repository has", oddBlobs},
		{"zot 3879: a blob is of the type that the client accepts", typesOfBlobs},
		{"zot 3976, go-containerregistry 1917, nora 654: parts of blobs, and of what", partsOfBlobs},
		{"containerd 3238, 3549, 5124: manifests and blobs without digest or length", digestAndLength},
		{"containerd 7390: HEAD finds a manifest among the blobs, and GET does not", manifestsAmongBlobs},
		{"containerd 14086, go-containerregistry 1393, pipeline-builder 749: a mount from nowhere is an error", mountsFromNowhere},
		{"go-containerregistry 1321: a mount that names another registry", mountsFromElsewhere},
		{"distribution 479, 2572, 2862, 970, harbor-helm 132: Location leads to another scheme or port", locationsStay},
		{"distribution 1293, 1305, 1755, nora 658, regctl 335: tags of a manifest that was deleted", tagsGoWithManifests},
		{"oras 1112: the last referrer cannot be deleted", lastReferrer},
		{"zot 1777: pages of n=0, of no number, and after what is not there", oddPages},
		{"gitea 27640, harbor 15048, 19902: two push one image at once, and one hears 500", sameImageAtOnce},
		{"gitea 33646: several clients upload one layer at once, and try for ever", sameLayerAtOnce},
		{"gitea 26839, 31861, pulp_container 854: an index without its images is 404 and says not which", indexWithoutImages},
		{"oras 601: a manifest without its blobs says four times the same", manifestWithoutBlobs},
		{"repsy 360: fields of another type are 500, and leave an empty repository", fieldsOfAnotherType},
		{"harbor 13586: one image with two tags is stored twice", oneImageTwoTags},
		{"skopeo 2484: HEAD of a blob in a repository that is not there yet is a denial", blobsOfNowhere},
	} {
		t.Run(report.of, func(t *testing.T) {
			asked := *r
			asked.t = t
			report.tried(t, &asked, image)
		})
	}
}

func chunkElsewhere(t *testing.T, r *reporter, _ digest.Digest) {
	b := distributiontest.Bytes(2593, 3000)
	upload := r.want("a chunk", r.ask("PATCH", r.open("team/app"), bytes.NewReader(b[:1000]), "Content-Range", "0-999"), 202).location()
	for _, where := range []string{"2000-2999", "0-999", "999-1998", "1001-2000"} {
		a := r.want(where, r.ask("PATCH", upload, bytes.NewReader(b[1000:2000]), "Content-Range", where), 416)
		if a.header.Get("Range") != "0-999" || a.location() == "" {
			t.Errorf("%s: %v", where, a.header)
		}
		upload = a.location()
	}
	upload = r.want("the next one", r.ask("PATCH", upload, bytes.NewReader(b[1000:2000]), "Content-Range", "1000-1999"), 202).location()
	r.want("the end", r.ask("PUT", upload+"?digest="+digest.FromBytes(b).String(), bytes.NewReader(b[2000:])), 201)
}

func firstChunkElsewhere(_ *testing.T, r *reporter, _ digest.Digest) {
	for _, where := range []string{"3-24", "1-22", "22-43"} {
		r.want(where, r.ask("PATCH", r.open("team/app"), bytes.NewReader(make([]byte, 22)), "Content-Range", where), 416)
	}
}

func rangesAreInclusive(t *testing.T, r *reporter, _ digest.Digest) {
	b, upload := distributiontest.Bytes(213, 148), r.open("team/app")
	for _, at := range []int{64, 128} {
		a := r.want("a chunk", r.ask("PATCH", upload, bytes.NewReader(b[at-64:at])), 202)
		if got, want := a.header.Get("Range"), fmt.Sprint("0-", at-1); got != want {
			t.Errorf("after %d bytes: %s, want %s", at, got, want)
		}
		upload = a.location()
	}
	dgst := digest.FromBytes(b)
	r.want("the end", r.ask("PUT", upload+"?digest="+dgst.String(), bytes.NewReader(b[128:])), 201)
	if got := r.ask("HEAD", "/v2/team/app/blobs/"+dgst.String(), nil).header.Get("Content-Length"); got != "148" {
		t.Errorf("it has %s bytes", got)
	}
}

func statusOfChunks(_ *testing.T, r *reporter, _ digest.Digest) {
	upload := r.want("with a range", r.ask("PATCH", r.open("team/app"), strings.NewReader("one"), "Content-Range", "0-2"), 202).location()
	r.want("as a stream", r.ask("PATCH", upload, strings.NewReader("two")), 202)
	r.want("of nothing", r.ask("PATCH", r.open("team/app"), strings.NewReader("")), 202)
}

func statusOfUploads(t *testing.T, r *reporter, _ digest.Digest) {
	upload := r.want("a chunk", r.ask("PATCH", r.open("team/app"), strings.NewReader("12345")), 202).location()
	a := r.want("the status", r.ask("GET", upload, nil), 204)
	if a.header.Get("Range") != "0-4" || a.location() == "" {
		t.Errorf("%v", a.header)
	}
	r.want("from where it says", r.ask("PUT", a.location()+"?digest="+digest.FromString("12345678").String(), strings.NewReader("678")), 201)
}

func severalStreams(_ *testing.T, r *reporter, _ digest.Digest) {
	upload, whole := r.open("team/app"), ""
	for i := range 4 {
		part := strings.Repeat(fmt.Sprint(i), 500)
		whole += part
		upload = r.want("a stream", r.ask("PATCH", upload, strings.NewReader(part), "Content-Type", "application/octet-stream"), 202).location()
	}
	r.want("the end", r.ask("PUT", upload+"?digest="+digest.FromString(whole).String(), nil), 201)
}

func oddBlobs(_ *testing.T, r *reporter, _ digest.Digest) {
	empty := digest.FromString("").String()
	r.want("an empty one by a post", r.ask("POST", "/v2/team/odd/blobs/uploads/?digest="+empty, strings.NewReader("")), 201)
	r.want("an empty one by a put", r.ask("PUT", r.open("team/odd")+"?digest="+empty, strings.NewReader("")), 201)
	r.want("it", r.ask("GET", "/v2/team/odd/blobs/"+empty, nil), 200)
	for _, bad := range []string{"sha256:x", "sha256:", "md5:" + strings.Repeat("0", 32), "x", "sha256:" + strings.Repeat("G", 64)} {
		r.want(bad, r.ask("PUT", r.open("team/odd")+"?digest="+bad, strings.NewReader("x")), 400, "DIGEST_INVALID")
	}
	r.want("another's digest", r.ask("PUT", r.open("team/odd")+"?digest="+empty, strings.NewReader("x")), 400, "DIGEST_INVALID")
	dgst := r.blob("team/odd", []byte("of two"))
	r.want("a mount", r.ask("POST", "/v2/team/other/blobs/uploads/?from=team/odd&mount="+dgst.String(), nil), 201)
	r.want("deleted", r.ask("DELETE", "/v2/team/odd/blobs/"+dgst.String(), nil), 202)
	r.want("it is gone here", r.ask("HEAD", "/v2/team/odd/blobs/"+dgst.String(), nil), 404)
	r.want("and stays there", r.ask("HEAD", "/v2/team/other/blobs/"+dgst.String(), nil), 200)
}

func typesOfBlobs(t *testing.T, r *reporter, _ digest.Digest) {
	path := "/v2/team/app/blobs/" + digest.FromString("a layer").String()
	for _, accept := range []string{"", "*/*", "application/vnd.oci.image.layer.v1.tar+gzip, */*", "text/html"} {
		for _, method := range []string{"GET", "HEAD"} {
			if a := r.ask(method, path, nil, "Accept", accept); a.code != 200 || a.header.Get("Content-Type") != "application/octet-stream" {
				t.Errorf("%s, Accept %q: %d %q", method, accept, a.code, a.header.Get("Content-Type"))
			}
		}
	}
}

func partsOfBlobs(t *testing.T, r *reporter, _ digest.Digest) {
	b := distributiontest.Bytes(654, 5000)
	dgst := r.blob("team/app", b)
	path := "/v2/team/app/blobs/" + dgst.String()
	for header, want := range map[string][2]int{
		"bytes=0-0": {0, 0}, "bytes=0-": {0, 4999}, "bytes=100-199": {100, 199}, "bytes=-10": {4990, 4999},
		"bytes=4999-": {4999, 4999}, "bytes=4000-9999": {4000, 4999},
	} {
		a := r.want(header, r.ask("GET", path, nil, "Range", header), 206)
		if a.body != string(b[want[0]:want[1]+1]) || a.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/5000", want[0], want[1]) ||
			a.header.Get("Docker-Content-Digest") != dgst.String() || a.header.Get("Accept-Ranges") != "bytes" {
			t.Errorf("%s: %d bytes, %v", header, len(a.body), a.header)
		}
	}
	if a := r.want("past its end", r.ask("GET", path, nil, "Range", "bytes=5000-"), 416); a.header.Get("Content-Range") != "bytes */5000" {
		t.Errorf("past its end: %v", a.header)
	}
}

func digestAndLength(t *testing.T, r *reporter, image digest.Digest) {
	layer := digest.FromString("a layer")
	for path, dgst := range map[string]digest.Digest{
		"manifests/v1": image, "manifests/" + image.String(): image, "blobs/" + layer.String(): layer,
	} {
		length := fmt.Sprint(len(r.ask("GET", "/v2/team/app/"+path, nil).body))
		for _, method := range []string{"GET", "HEAD"} {
			a := r.ask(method, "/v2/team/app/"+path, nil)
			if a.header.Get("Docker-Content-Digest") != dgst.String() || a.header.Get("Content-Length") != length {
				t.Errorf("%s of %s: %v", method, path, a.header)
			}
		}
	}
}

func manifestsAmongBlobs(t *testing.T, r *reporter, image digest.Digest) {
	path := "/v2/team/app/blobs/" + image.String()
	if get, head := r.ask("GET", path, nil), r.ask("HEAD", path, nil); get.code != head.code {
		t.Errorf("GET %d, HEAD %d", get.code, head.code)
	}
}

func mountsFromNowhere(_ *testing.T, r *reporter, _ digest.Digest) {
	layer := digest.FromString("a layer").String()
	for _, from := range []string{"nobody/none", "team/none", "none", "x/y/z", "Team/App", "..%2Fteam"} {
		upload := r.want(from, r.ask("POST", "/v2/team/mounted/blobs/uploads/?mount="+layer+"&from="+from, nil), 202).location()
		r.want("the bytes", r.ask("PUT", upload+"?digest="+layer, strings.NewReader("a layer")), 201)
		r.want("away", r.ask("DELETE", "/v2/team/mounted/blobs/"+layer, nil), 202)
	}
}

func mountsFromElsewhere(_ *testing.T, r *reporter, _ digest.Digest) {
	query := "?mount=" + digest.FromString("a layer").String() + "&origin=gcr.io&from="
	r.want("the same name is here", r.ask("POST", "/v2/team/elsewhere/blobs/uploads/"+query+"team%2Fapp", nil), 201)
	r.want("it is not", r.ask("POST", "/v2/team/elsewhere/blobs/uploads/"+query+"library%2Fnginx", nil), 202)
}

func locationsStay(t *testing.T, r *reporter, _ digest.Digest) {
	for _, header := range [][]string{
		{},
		{"X-Forwarded-Proto", "https"},
		{"X-Forwarded-Proto", "http"},
		{"X-Forwarded-Host", "other.example.com"},
		{"X-Forwarded-Port", "86"},
		{"Forwarded", "host=other.example.com;proto=http"},
	} {
		a := r.want("begin", r.ask("POST", "/v2/team/app/blobs/uploads/", nil, header...), 202)
		if !strings.HasPrefix(a.location(), "/v2/team/app/blobs/uploads/") {
			t.Errorf("%v: %s", header, a.location())
		}
		b := []byte(fmt.Sprint(header))
		a = r.want("the end", r.ask("PUT", a.location()+"?digest="+digest.FromBytes(b).String(), bytes.NewReader(b), header...), 201)
		if want := "/v2/team/app/blobs/" + digest.FromBytes(b).String(); a.location() != want {
			t.Errorf("%v: %s", header, a.location())
		}
	}
}

func tagsGoWithManifests(t *testing.T, r *reporter, _ digest.Digest) {
	gone := r.image("team/tags", "one", []byte("to be deleted"))
	body := r.ask("GET", "/v2/team/tags/manifests/one", nil).body
	r.want("another tag", r.ask("PUT", "/v2/team/tags/manifests/two", strings.NewReader(body), "Content-Type", imageType), 201)
	r.image("team/tags", "three", []byte("to stay"))
	r.want("deleted", r.ask("DELETE", "/v2/team/tags/manifests/"+gone.String(), nil), 202)
	if tags, _ := named(t, r.ask("GET", "/v2/team/tags/tags/list", nil)); !slices.Equal(tags, []string{"three"}) {
		t.Errorf("%q", tags)
	}
	for _, ref := range []string{"one", "two", gone.String()} {
		r.want(ref, r.ask("GET", "/v2/team/tags/manifests/"+ref, nil), 404, "MANIFEST_UNKNOWN")
	}
	r.want("a tag alone", r.ask("DELETE", "/v2/team/tags/manifests/three", nil), 202)
	r.want("its image stays", r.ask("GET", "/v2/team/tags/manifests/"+digestOf(t, r, "team/tags", "to stay"), nil), 200)
}

// digestOf is the image whose only layer is this one.
func digestOf(t *testing.T, r *reporter, repo, layer string) string {
	t.Helper()
	return r.image(repo, "again", []byte(layer)).String()
}

func lastReferrer(_ *testing.T, r *reporter, _ digest.Digest) {
	subject := r.image("team/oras", "v1", []byte("a subject"))
	first := r.signature("team/oras", subject, []byte("one"))
	second := r.signature("team/oras", first, []byte("of the signature"))
	for of, referrer := range map[digest.Digest]digest.Digest{first: second, subject: first} {
		r.want("it is listed", r.ask("GET", "/v2/team/oras/referrers/"+of.String(), nil), 200, referrer.String())
	}
	for _, d := range []digest.Digest{second, first} {
		r.want("deleted", r.ask("DELETE", "/v2/team/oras/manifests/"+d.String(), nil), 202)
	}
	for _, of := range []digest.Digest{first, subject} {
		r.want("nobody refers to it", r.ask("GET", "/v2/team/oras/referrers/"+of.String(), nil), 200, `"manifests":[]`)
	}
}

func oddPages(t *testing.T, r *reporter, _ digest.Digest) {
	for _, tag := range []string{"a", "c", "e"} {
		r.image("team/pages", tag)
	}
	for query, want := range map[string][]string{"n=0": nil, "last=b": {"c", "e"}, "last=b&n=1": {"c"}, "last=z": nil, "last=": {"a", "c", "e"}} {
		if got, _ := named(t, r.ask("GET", "/v2/team/pages/tags/list?"+query, nil)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for _, n := range []string{"-1", "x", "1e3"} {
		for _, path := range []string{"/v2/team/pages/tags/list?n=", "/v2/_catalog?n="} {
			r.want(path+n, r.ask("GET", path+n, nil), 400, "PAGINATION_NUMBER_INVALID")
		}
	}
}

// atOnce has eight clients do the same, and returns what each heard.
func atOnce(do func(i int) answer) []int {
	codes := make([]int, 8)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() { codes[i] = do(i).code })
	}
	wg.Wait()
	return codes
}

func sameImageAtOnce(t *testing.T, r *reporter, image digest.Digest) {
	body := r.ask("GET", manifestsOfApp+image.String(), nil).body
	for round := range 5 {
		repo := fmt.Sprint("team/race", round)
		r.image(repo, "other", []byte("a layer"))
		for _, ref := range []string{"latest", image.String()} {
			codes := atOnce(func(int) answer {
				return r.ask("PUT", "/v2/"+repo+"/manifests/"+ref, strings.NewReader(body), "Content-Type", imageType)
			})
			if slices.ContainsFunc(codes, func(code int) bool { return code != 201 }) {
				t.Errorf("%s: %v", ref, codes)
			}
		}
	}
}

func sameLayerAtOnce(t *testing.T, r *reporter, _ digest.Digest) {
	for round := range 5 {
		b := distributiontest.Bytes(uint64(33646+round), 100_000)
		codes := atOnce(func(i int) answer {
			upload := r.want("begin", r.ask("POST", fmt.Sprintf("/v2/team/layer%d/blobs/uploads/", i%2), nil), 202).location()
			upload = r.want("the bytes", r.ask("PATCH", upload, bytes.NewReader(b)), 202).location()
			return r.ask("PUT", upload+"?digest="+digest.FromBytes(b).String(), nil)
		})
		if slices.ContainsFunc(codes, func(code int) bool { return code != 201 }) {
			t.Errorf("%v", codes)
		}
	}
}

func indexWithoutImages(t *testing.T, r *reporter, _ digest.Digest) {
	m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":700}]}`, indexType, imageType, absentDigest)
	a := r.ask("PUT", manifestsOfApp+"sparse", strings.NewReader(m), "Content-Type", indexType)
	if a.code < 400 || a.code >= 500 || !strings.Contains(a.body, absentDigest) {
		t.Errorf("%d %s", a.code, a.body)
	}
	r.want("it is not there", r.ask("GET", manifestsOfApp+"sparse", nil), 404)
}

func manifestWithoutBlobs(t *testing.T, r *reporter, _ digest.Digest) {
	var layers, missing []string
	for i := range 4 {
		missing = append(missing, digest.FromString(fmt.Sprint("missing ", i)).String())
		layers = append(layers, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":9}`, missing[i]))
	}
	m := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json",`+
		`"digest":%q,"size":37},"layers":[%s]}`, imageType, digest.FromString(`{"architecture":"amd64","os":"linux"}`), strings.Join(layers, ","))
	a := r.ask("PUT", manifestsOfApp+"missing", strings.NewReader(m), "Content-Type", imageType)
	if a.code != 404 && a.code != 400 {
		t.Errorf("%d %s", a.code, a.body)
	}
	for _, dgst := range missing {
		if !strings.Contains(a.body, dgst) {
			t.Errorf("it does not name %s: %s", dgst, a.body)
		}
	}
}

func fieldsOfAnotherType(_ *testing.T, r *reporter, image digest.Digest) {
	typed := r.ask("GET", manifestsOfApp+image.String(), nil).body
	_, rest, _ := strings.Cut(typed, `"layers":`)
	for what, body := range map[string]string{
		"layers as text": strings.Replace(typed, `"layers":`+rest, `"layers":"x"}`, 1), "a layer that is null": strings.Replace(typed, `"layers":`+rest, `"layers":[null]}`, 1),
		"a size as text": strings.Replace(typed, `"size":7`, `"size":"big"`, 1), "a config as text": `{"schemaVersion":2,"mediaType":"` + imageType + `","config":"x","layers":[]}`,
		"a layer without a digest": strings.Replace(typed, `"layers":`+rest, `"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":7}]}`, 1),
		"a negative size":          strings.Replace(typed, `"size":7`, `"size":-7`, 1),
	} {
		r.want(what, r.ask("PUT", "/v2/team/malformed/manifests/v1", strings.NewReader(body), "Content-Type", imageType), 400, "MANIFEST_INVALID")
	}
	for what, body := range map[string]string{
		"a list without a digest":   `{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":[{"mediaType":"` + imageType + `","size":7}]}`,
		"a list that is an object":  `{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":{}}`,
		"an entry that is a number": `{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":[7]}`,
	} {
		r.want(what, r.ask("PUT", "/v2/team/malformed/manifests/v1", strings.NewReader(body), "Content-Type", indexType), 400, "MANIFEST_INVALID")
	}
	r.want("no repository came of it", r.ask("GET", "/v2/team/malformed/tags/list", nil), 404, "NAME_UNKNOWN")
}

func oneImageTwoTags(t *testing.T, r *reporter, _ digest.Digest) {
	one, two := r.image("team/twice", "one", []byte("the same")), r.image("team/twice", "two", []byte("the same"))
	if one != two || r.ask("HEAD", "/v2/team/twice/manifests/one", nil).header.Get("Docker-Content-Digest") !=
		r.ask("HEAD", "/v2/team/twice/manifests/two", nil).header.Get("Docker-Content-Digest") {
		t.Errorf("%s and %s", one, two)
	}
	r.want("one goes", r.ask("DELETE", "/v2/team/twice/manifests/one", nil), 202)
	r.want("the other stays", r.ask("GET", "/v2/team/twice/manifests/two", nil), 200)
}

func blobsOfNowhere(t *testing.T, r *reporter, _ digest.Digest) {
	path := "/v2/team/not/yet/there/blobs/" + digest.FromString("a layer").String()
	r.want("HEAD", r.ask("HEAD", path, nil), 404)
	if resp := r.without("HEAD", path, r.token("repository:team/not/yet/there:pull,push")); resp.StatusCode != http.StatusNotFound {
		t.Errorf("with a token: %s", resp.Status)
	}
}
