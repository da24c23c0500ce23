package server

import (
	"bufio"
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
	"cove/registry/edge"
	"cove/registry/server/config"
)

// TestReportedToOthers is a table of what people reported of other registries, by who was
// told and under which number, and of clients that had to live with it.
func TestReportedToOthers(t *testing.T) {
	r := newReporter(t, config.Config{CORS: edge.CORS{Origins: []string{"https://ui.example.com"}}})
	image := r.image("team/app", "v1", []byte("a layer"))
	for _, report := range []struct {
		of    string
		tried func(*testing.T, *reporter, digest.Digest)
	}{
		{"distribution-spec 569: HEAD of a blob that another repository has, 200 where GET is 404", blobElsewhere},
		{"distribution 1196, sretoolbox 49: HEAD of the catalog and of tags is 405", headsOfLists},
		{"distribution 4458, docker-registry-ui 435: a preflight is 401", preflight},
		{"distribution 4903, 1854: a page of the catalog leaves out team/app behind team/app-extra", catalogOfPrefixes},
		{"zot 1771, 2116: last without n counts for nothing; a Link without brackets", lastWithoutN},
		{"harbor 18413, quay 6385: a filter of referrers that was applied and is not said", filtersOfReferrers},
		{"zot 2506: a referrer is listed as often as it was pushed", referrersOnce},
		{"zot 2624: an index goes with its tag though another index lists it", nestedIndex},
		{"distribution 3938, enroot 273, rules_oci 322: an index is 404 to who accepts anything else", indexForEverybody},
		{"harbor 11744: a reference that is none is 500", referencesThatAreNone},
		{"docker-adapter 356: an empty manifest is 500", manifestsThatAreNone},
		{"distribution-spec 477: a manifest without a type, in the header and in itself", manifestWithoutType},
		{"docker-registry-ui 265: 304 for a tag that was moved", movedTag},
		{"distribution 4420, distribution-spec 494: sha512 of manifests and blobs", sha512Everywhere},
		{"distribution-spec 412: what was pushed by digest is 404 until it has a tag", byDigestAlone},
		{"distribution-spec 482: HEAD of a blob of no bytes has no length", noBytes},
		{"containers-roadmap 2831: Range stays at the end of the first chunk", everyChunkCounts},
		{"jib 2372, 4301: an upload is unknown right after its chunk was taken", endsAtOnce},
		{"quay 1310: blobs come packed once more to who accepts gzip", asItIs},
		{"distribution 1485: a token to pull is none for HEAD", headByToken},
		{"moby 20387, docker_auth 67: of several scopes the first counts", severalScopes},
		{"serverless-registry 149: /v2/ names a scope of nobody's", baseHasNoScope},
		{"undici 5465: who waits for 100 hears 401 without having sent a body", beforeTheBody},
		{"lifecycle 304: what is not found has no code", codesOfNotFound},
		{"distribution 3755: the status of an upload ends it", statusLeavesItAlone},
	} {
		t.Run(report.of, func(t *testing.T) {
			asked := *r
			asked.t = t
			report.tried(t, &asked, image)
		})
	}
}

const manifestsOfApp = "/v2/team/app/manifests/"

func blobElsewhere(t *testing.T, r *reporter, _ digest.Digest) {
	r.image("team/empty", "v1")
	for _, method := range []string{"GET", "HEAD"} {
		if a := r.ask(method, "/v2/team/empty/blobs/"+digest.FromString("a layer").String(), nil); a.code != 404 {
			t.Errorf("%s: %d", method, a.code)
		}
	}
}

func headsOfLists(t *testing.T, r *reporter, image digest.Digest) {
	for _, path := range []string{"/v2/", "/v2/_catalog", "/v2/team/app/tags/list", "/v2/team/app/referrers/" + image.String()} {
		get, head := r.ask("GET", path, nil), r.ask("HEAD", path, nil)
		if head.code != 200 || head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") ||
			head.header.Get("Content-Length") != fmt.Sprint(len(get.body)) {
			t.Errorf("%s: %d %v", path, head.code, head.header)
		}
	}
	r.want("what is not there", r.ask("HEAD", "/v2/team/none/tags/list", nil), 404)
}

func preflight(t *testing.T, r *reporter, _ digest.Digest) {
	for _, path := range []string{"/v2/_catalog", "/v2/team/app/tags/list", manifestsOfApp + "v1"} {
		req, err := http.NewRequestWithContext(t.Context(), "OPTIONS", r.base+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "https://ui.example.com")
		req.Header.Set("Access-Control-Request-Method", "DELETE")
		req.Header.Set("Access-Control-Request-Headers", "authorization")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 204 || !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "DELETE") ||
			!strings.Contains(strings.ToLower(resp.Header.Get("Access-Control-Allow-Headers")), "authorization") {
			t.Errorf("%s: %s %v", path, resp.Status, resp.Header)
		}
	}
}

// named are the names in a list and the page that comes next.
func named(t *testing.T, a answer) (names []string, next string) {
	t.Helper()
	var got struct{ Tags, Repositories []string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.code != 200 {
		t.Fatal(a.code, a.body, err)
	}
	link := a.header.Get("Link")
	if link != "" && (!strings.HasPrefix(link, "</v2/") || !strings.HasSuffix(link, `>; rel="next"`)) {
		t.Errorf("Link: %s", link)
	}
	next, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
	return append(got.Tags, got.Repositories...), next
}

func catalogOfPrefixes(t *testing.T, r *reporter, _ digest.Digest) {
	want := []string{"pre-fix/image1", "pre/app", "pre/app-extra", "pre/app.extra", "pre/app/below", "pre/app_extra"}
	for _, repo := range want {
		r.image(repo, "v1")
	}
	for _, n := range []int{1, 2, 3, 100} {
		var all []string
		for next := fmt.Sprint("/v2/_catalog?n=", n); next != ""; {
			var names []string
			if names, next = named(t, r.ask("GET", next, nil)); len(names) > n {
				t.Errorf("%d names on a page of %d", len(names), n)
			}
			all = append(all, names...)
		}
		all = slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, "pre") })
		if !slices.Equal(all, want) {
			t.Errorf("by pages of %d: %q", n, all)
		}
	}
}

func lastWithoutN(t *testing.T, r *reporter, _ digest.Digest) {
	for _, tag := range []string{"test1", "test2", "test3"} {
		r.image("team/last", tag)
	}
	for last, want := range map[string][]string{"test1": {"test2", "test3"}, "test2": {"test3"}, "test3": nil} {
		if got, next := named(t, r.ask("GET", "/v2/team/last/tags/list?last="+last, nil)); !slices.Equal(got, want) || next != "" {
			t.Errorf("after %s: %q, and then %q", last, got, next)
		}
	}
	if _, next := named(t, r.ask("GET", "/v2/team/last/tags/list?n=1", nil)); next == "" {
		t.Error("no next page")
	}
}

func filtersOfReferrers(t *testing.T, r *reporter, image digest.Digest) {
	sig := r.signature("team/app", image, []byte("a signature"))
	path := "/v2/team/app/referrers/" + image.String()
	const kind = "application/vnd.dev.cosign.artifact.sig.v1+json"
	for query, want := range map[string]struct {
		applied string
		found   bool
	}{
		"":                              {"", true},
		"?artifactType=" + kind:         {"artifactType", true},
		"?artifactType=application/x":   {"artifactType", false},
		"?artifactType=":                {"", true}, // no type: nothing is filtered, and nothing is said to be
		"?artifactType=" + kind + "x":   {"artifactType", false},
		"?other=1&artifactType=" + kind: {"artifactType", true},
	} {
		a := r.want(query, r.ask("GET", path+strings.ReplaceAll(query, "+", "%2B"), nil), 200)
		if got := a.header.Get("OCI-Filters-Applied"); got != want.applied || strings.Contains(a.body, sig.String()) != want.found {
			t.Errorf("%s: applied %q, %s", query, got, a.body)
		}
	}
}

func referrersOnce(t *testing.T, r *reporter, image digest.Digest) {
	sig := r.signature("team/app", image, []byte("pushed thrice"))
	body := r.ask("GET", manifestsOfApp+sig.String(), nil).body
	for _, ref := range []string{sig.String(), "sig-1", "sig-2"} {
		r.want(ref, r.ask("PUT", manifestsOfApp+ref, strings.NewReader(body), "Content-Type", imageType), 201)
	}
	list := r.ask("GET", "/v2/team/app/referrers/"+image.String(), nil).body
	if n := strings.Count(list, sig.String()); n != 1 {
		t.Errorf("it is listed %d times: %s", n, list)
	}
}

func nestedIndex(t *testing.T, r *reporter, _ digest.Digest) {
	inner := r.index("team/nested", "inner", r.image("team/nested", "", []byte("nested")))
	outer := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%s}]}`, indexType, indexType,
		inner, r.ask("HEAD", "/v2/team/nested/manifests/inner", nil).header.Get("Content-Length"))
	r.want("the outer one", r.ask("PUT", "/v2/team/nested/manifests/outer", strings.NewReader(outer), "Content-Type", indexType), 201)
	r.want("the tag goes", r.ask("DELETE", "/v2/team/nested/manifests/inner", nil), 202)
	r.want("the inner one", r.ask("GET", "/v2/team/nested/manifests/"+inner.String(), nil), 200)
	r.want("the inner one is not deleted under the outer one", r.ask("DELETE", "/v2/team/nested/manifests/"+inner.String(), nil), 409)
}

func indexForEverybody(t *testing.T, r *reporter, image digest.Digest) {
	index := r.index("team/app", "multi", image)
	for _, accept := range []string{"", "*/*", imageType, "application/vnd.docker.distribution.manifest.v2+json", "text/html", "application/json;q=0"} {
		for _, ref := range []string{"multi", index.String()} {
			for _, method := range []string{"GET", "HEAD"} {
				a := r.ask(method, manifestsOfApp+ref, nil, "Accept", accept)
				if a.code != 200 || a.header.Get("Content-Type") != indexType || a.header.Get("Docker-Content-Digest") != index.String() {
					t.Errorf("%s of %s, Accept %q: %d %v", method, ref, accept, a.code, a.header)
				}
			}
		}
	}
}

func referencesThatAreNone(_ *testing.T, r *reporter, _ digest.Digest) {
	for _, ref := range []string{".INVALID_MANIFEST_NAME", "-x", "a%20b", strings.Repeat("x", 129), "sha256:abc", "sha1:" + strings.Repeat("0", 40), "%00"} {
		if a := r.ask("GET", manifestsOfApp+ref, nil); a.code != 404 && a.code != 400 {
			r.t.Errorf("%q: %d %s", ref, a.code, a.body)
		}
		if a := r.ask("PUT", manifestsOfApp+ref, strings.NewReader("{}"), "Content-Type", imageType); a.code != 400 && a.code != 404 {
			r.t.Errorf("a push to %q: %d %s", ref, a.code, a.body)
		}
	}
	for _, name := range []string{"Team/App", "team//app", "team/-app", "team/app/", strings.Repeat("a/", 200) + "a"} {
		if a := r.ask("GET", "/v2/"+name+"/tags/list", nil); a.code != 404 && a.code != 400 {
			r.t.Errorf("repository %q: %d %s", name, a.code, a.body)
		}
	}
}

func manifestsThatAreNone(_ *testing.T, r *reporter, _ digest.Digest) {
	for what, body := range map[string]string{
		"nothing": "", "a list": "[]", "null": "null", "a number": "2", "half": `{"schemaVersion":2`, "no JSON": "<html>", "two": "{}{}",
		"no config": `{"schemaVersion":2,"mediaType":"` + imageType + `","layers":[]}`,
	} {
		r.want(what, r.ask("PUT", manifestsOfApp+"none", strings.NewReader(body), "Content-Type", imageType), 400, "MANIFEST_INVALID")
	}
	r.want("none of it", r.ask("GET", manifestsOfApp+"none", nil), 404)
}

func manifestWithoutType(t *testing.T, r *reporter, image digest.Digest) {
	typed := r.ask("GET", manifestsOfApp+image.String(), nil).body
	bare := strings.Replace(typed, fmt.Sprintf(`"mediaType":%q,`, imageType), "", 1)
	put := func(tag, body, kind string) answer {
		header := []string{}
		if kind != "" {
			header = []string{"Content-Type", kind}
		}
		return r.ask("PUT", manifestsOfApp+tag, strings.NewReader(body), header...)
	}
	r.want("in itself alone", put("typed", typed, ""), 201)
	r.want("in the header alone", put("bare", bare, imageType), 201)
	r.want("with a parameter", put("parameter", typed, imageType+"; charset=utf-8"), 201)
	for _, tag := range []string{"typed", "bare", "parameter"} {
		if got := r.ask("GET", manifestsOfApp+tag, nil).header.Get("Content-Type"); got != imageType {
			t.Errorf("%s came as %q", tag, got)
		}
	}
	if a := put("neither", bare, ""); a.code != 400 && a.code != 201 {
		t.Errorf("neither: %d %s", a.code, a.body)
	} else if a.code == 201 && r.ask("GET", manifestsOfApp+"neither", nil).header.Get("Content-Type") != imageType {
		t.Error("neither: it came as something else")
	}
	r.want("one that no registry knows", put("unknown", bare, "text/plain"), 400, "MANIFEST_INVALID")
}

func movedTag(t *testing.T, r *reporter, _ digest.Digest) {
	old := r.image("team/moved", "latest", []byte("old"))
	etag := r.ask("HEAD", "/v2/team/moved/manifests/latest", nil).header.Get("Etag")
	if etag != `"`+old.String()+`"` {
		t.Errorf("Etag: %s", etag)
	}
	r.want("what it is", r.ask("GET", "/v2/team/moved/manifests/latest", nil, "If-None-Match", etag), 304)
	moved := r.image("team/moved", "latest", []byte("new"))
	for _, method := range []string{"GET", "HEAD"} {
		a := r.ask(method, "/v2/team/moved/manifests/latest", nil, "If-None-Match", etag)
		if a.code != 200 || a.header.Get("Docker-Content-Digest") != moved.String() {
			t.Errorf("%s after it was moved: %d %v", method, a.code, a.header)
		}
	}
}

func sha512Everywhere(t *testing.T, r *reporter, image digest.Digest) {
	sum := func(b []byte) string {
		all := sha512.Sum512(b)
		return "sha512:" + hex.EncodeToString(all[:])
	}
	layer := distributiontest.Bytes(512, 3000)
	upload := r.want("begin", r.ask("POST", "/v2/team/app/blobs/uploads/?digest-algorithm=sha512", nil), 202).location()
	upload = r.want("a chunk", r.ask("PATCH", upload, bytes.NewReader(layer)), 202).location()
	r.want("a wrong one", r.ask("PUT", r.open("team/app")+"?digest="+sum([]byte("x")), bytes.NewReader(layer)), 400, "DIGEST_INVALID")
	r.want("the end", r.ask("PUT", upload+"?digest="+sum(layer), nil), 201)
	r.want("the blob", r.ask("GET", "/v2/team/app/blobs/"+sum(layer), nil), 200, string(layer))
	body := []byte(r.ask("GET", manifestsOfApp+image.String(), nil).body)
	put := r.want("the manifest", r.ask("PUT", manifestsOfApp+sum(body), bytes.NewReader(body), "Content-Type", imageType), 201)
	if got := put.header.Get("Docker-Content-Digest"); got != sum(body) {
		t.Errorf("it is said to be %s", got)
	}
	for _, method := range []string{"GET", "HEAD"} {
		if a := r.ask(method, manifestsOfApp+sum(body), nil); a.code != 200 || a.header.Get("Docker-Content-Digest") != sum(body) {
			t.Errorf("%s: %d %v", method, a.code, a.header)
		}
	}
}

func byDigestAlone(_ *testing.T, r *reporter, _ digest.Digest) {
	image := r.image("team/untagged", "", []byte("without a tag"))
	r.want("by digest", r.ask("GET", "/v2/team/untagged/manifests/"+image.String(), nil), 200)
	r.want("its head", r.ask("HEAD", "/v2/team/untagged/manifests/"+image.String(), nil), 200)
}

func noBytes(t *testing.T, r *reporter, _ digest.Digest) {
	if a := r.ask("HEAD", "/v2/team/app/blobs/"+r.blob("team/app", nil).String(), nil); a.code != 200 || a.header.Get("Content-Length") != "0" {
		t.Errorf("%d %v", a.code, a.header)
	}
}

func everyChunkCounts(t *testing.T, r *reporter, _ digest.Digest) {
	b, upload := distributiontest.Bytes(2831, 4000), r.open("team/app")
	for at := 0; at < 3000; at += 1000 {
		a := r.want("a chunk", r.ask("PATCH", upload, bytes.NewReader(b[at:at+1000]), "Content-Range", fmt.Sprintf("%d-%d", at, at+999)), 202)
		if got := a.header.Get("Range"); got != fmt.Sprint("0-", at+999) {
			t.Errorf("after byte %d: %s", at+999, got)
		}
		if got := r.at(upload); got != fmt.Sprint("0-", at+999) {
			t.Errorf("the status after byte %d: %s", at+999, got)
		}
		upload = a.location()
	}
	r.want("the end", r.ask("PUT", upload+"?digest="+digest.FromBytes(b).String(), bytes.NewReader(b[3000:]), "Content-Range", "3000-3999"), 201)
}

func endsAtOnce(_ *testing.T, r *reporter, _ digest.Digest) {
	for i := range 50 {
		b := distributiontest.Bytes(uint64(i), 2000)
		upload := r.want("a chunk", r.ask("PATCH", r.open("team/jib"), bytes.NewReader(b)), 202).location()
		r.want("the end", r.ask("PUT", upload+"?digest="+digest.FromBytes(b).String(), nil), 201)
	}
}

func asItIs(t *testing.T, r *reporter, image digest.Digest) {
	for _, path := range []string{"blobs/" + digest.FromString("a layer").String(), "manifests/" + image.String()} {
		plain, a := r.ask("GET", "/v2/team/app/"+path, nil), r.ask("GET", "/v2/team/app/"+path, nil, "Accept-Encoding", "gzip, deflate, br, zstd")
		if a.header.Get("Content-Encoding") != "" || a.body != plain.body || a.header.Get("Content-Length") != fmt.Sprint(len(plain.body)) {
			t.Errorf("%s: %v", path, a.header)
		}
	}
}

// without is a request without a sign-in, or with a token.
func (r *reporter) without(method, path, token string) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.base+path, http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp
}

// token is one for some scopes.
func (r *reporter) token(scopes ...string) string {
	r.t.Helper()
	a := r.want("a token", r.ask("GET", "/token?scope="+strings.Join(scopes, "&scope="), nil), 200)
	var got struct{ Token string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Token == "" {
		r.t.Fatal(a.body, err)
	}
	return got.Token
}

func headByToken(t *testing.T, r *reporter, _ digest.Digest) {
	token := r.token("repository:team/app:pull")
	for _, path := range []string{manifestsOfApp + "v1", "/v2/team/app/tags/list", "/v2/team/app/blobs/" + digest.FromString("a layer").String()} {
		if resp := r.without("HEAD", path, token); resp.StatusCode != 200 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if resp := r.without("DELETE", manifestsOfApp+"v1", token); resp.StatusCode != 401 && resp.StatusCode != 403 {
		t.Errorf("a delete: %s", resp.Status)
	}
}

func severalScopes(t *testing.T, r *reporter, _ digest.Digest) {
	r.image("team/source", "v1", []byte("to be mounted"))
	token := r.token("repository:team/scopes:pull,push", "repository:team/source:pull")
	path := "/v2/team/scopes/blobs/uploads/?from=team/source&mount=" + digest.FromString("to be mounted").String()
	if resp := r.without("POST", path, token); resp.StatusCode != 201 {
		t.Errorf("a mount: %s", resp.Status)
	}
}

func baseHasNoScope(t *testing.T, r *reporter, _ digest.Digest) {
	resp := r.without("GET", "/v2/", "")
	if challenge := resp.Header.Get("Www-Authenticate"); resp.StatusCode != 401 || !strings.HasPrefix(challenge, "Bearer ") || strings.Contains(challenge, "scope") {
		t.Errorf("%s %s", resp.Status, challenge)
	}
}

// beforeTheBody announces a body of a gibibyte and waits to be told to send it.
func beforeTheBody(t *testing.T, r *reporter, _ digest.Digest) {
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST /v2/team/app/blobs/uploads/?digest=%s HTTP/1.1\r\nHost: registry.test\r\nContent-Length: %d\r\n"+
		"Expect: 100-continue\r\n\r\n", absentDigest, 1<<30); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != 401 || resp.Header.Get("Www-Authenticate") == "" {
		t.Errorf("%s %v", resp.Status, resp.Header)
	}
}

func codesOfNotFound(_ *testing.T, r *reporter, _ digest.Digest) {
	for path, code := range map[string]string{
		manifestsOfApp + "none": "MANIFEST_UNKNOWN", manifestsOfApp + absentDigest: "MANIFEST_UNKNOWN", "/v2/team/app/blobs/" + digest.FromString("none").String(): "BLOB_UNKNOWN",
		"/v2/team/none/tags/list": "NAME_UNKNOWN", "/v2/team/none/manifests/v1": "UNKNOWN",
	} {
		r.want(path, r.ask("GET", path, nil), 404, code)
	}
}

func statusLeavesItAlone(t *testing.T, r *reporter, _ digest.Digest) {
	b, upload := distributiontest.Bytes(3755, 2000), r.open("team/app")
	later := r.want("a chunk", r.ask("PATCH", upload, bytes.NewReader(b[:1000])), 202).location()
	for range 3 { // by where it was first, too, as a client that heard no answer asks
		for _, at := range []string{upload, later} {
			if got := r.at(at); got != "0-999" {
				t.Errorf("at %s", got)
			}
		}
	}
	r.want("the chunk once more", r.ask("PATCH", upload, bytes.NewReader(b[:1000]), "Content-Range", "0-999"), 416)
	r.want("the end", r.ask("PUT", later+"?digest="+digest.FromBytes(b).String(), bytes.NewReader(b[1000:])), 201)
}
