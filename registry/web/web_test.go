package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestFirstRun goes from an empty registry to the first image, as a newcomer does.
func TestFirstRun(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	v := s.Visitor(t)
	v.Get("/", 303)
	if body := v.Follow(200); !strings.Contains(body, "The first user is admin") {
		t.Errorf("the sign-in page of a fresh registry does not say who may: %s", body)
	}
	v.Post("/sign-in", url.Values{"name": {"admin"}, "password": {webtest.Password}, "next": {"/"}}, 303)
	v.Follow(303)
	host := strings.TrimPrefix(s.URL, "http://")
	for client, want := range map[string]string{
		"docker": "docker push " + host + "/library/hello:v1", "podman": "podman push --tls-verify=false " + host,
		"containerd": "hosts.toml", "kubelet": "kubectl create secret docker-registry", "cove": "cove login --insecure-registry " + host,
		"helm": "helm push --plain-http chart",
	} {
		if body := v.Get("/start?client="+client, 200); !strings.Contains(body, want) || !strings.Contains(body, "Push your first image") {
			t.Errorf("%s: no %q in %s", client, want, body)
		}
	}
	s.Push(t, "library/hello", "v1", webtest.Image{})
	v.Get("/", 303)
	if body := v.Follow(200); !strings.Contains(body, `href="/projects/library"`) {
		t.Errorf("projects: %s", body)
	}
}

func TestProjects(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada", "bob")
	admin := s.As(t, "admin")
	admin.Get("/projects", 200)
	admin.Post("/projects", url.Values{"name": {"Team!"}}, 422)
	if !strings.Contains(admin.Body, `role="alert"`) {
		t.Errorf("a wrong name is not explained: %s", admin.Body)
	}
	admin.Post("/projects", url.Values{"name": {"team"}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "Project team is there.") || !strings.Contains(body, "docker push") {
		t.Errorf("after creating: %s", body)
	}
	if body := admin.Get("/projects/team", 200); strings.Contains(body, "is there.") {
		t.Error("the notice is shown twice")
	}
	admin.Post("/projects", url.Values{"name": {"team"}}, 422)
	admin.Get("/projects/team/members", 200)
	admin.Post("/projects/team/members", url.Values{"user": {"nobody"}, "role": {"guest"}}, 422)
	admin.Post("/projects/team/members", url.Values{"user": {"ada"}, "role": {"king"}}, 422)
	admin.Post("/projects/team/members", url.Values{"user": {"ada"}, "role": {"project-admin"}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "ada is now Project admin.") ||
		!strings.Contains(body, `<option value="project-admin" selected>`) {
		t.Errorf("members: %s", body)
	}

	ada, bob := s.As(t, "ada"), s.As(t, "bob")
	if body := ada.Get("/projects", 200); !strings.Contains(body, "/projects/team") || strings.Contains(body, `action="/projects">`) {
		t.Errorf("a member's projects: %s", body)
	}
	if body := bob.Get("/projects", 200); strings.Contains(body, "team") {
		t.Errorf("a stranger's projects: %s", body)
	}
	bob.Get("/projects/team", 403)
	ada.Get("/projects/team/settings", 200)
	ada.Post("/projects/team/visibility", url.Values{"public": {"maybe"}}, 400)
	ada.Post("/projects/team/visibility", url.Values{"public": {"1"}}, 303)
	if body := ada.Follow(200); !strings.Contains(body, "The project is public now.") {
		t.Error(body)
	}
	if body := bob.Get("/projects/team", 200); strings.Contains(body, "/members") {
		t.Errorf("a stranger is shown what he may not: %s", body)
	}
	s.Visitor(t).Get("/projects/team", 200)

	ada.Get("/projects/team/settings", 200)
	ada.Post("/projects/team/remove", url.Values{"name": {"taem"}}, 422)
	s.Push(t, "team/app", "v1", webtest.Image{})
	ada.Post("/projects/team/remove", url.Values{"name": {"team"}}, 422)
	if !strings.Contains(ada.Body, "holds images") {
		t.Errorf("a project with images: %s", ada.Body)
	}
	admin.Get("/projects", 200)
	admin.Post("/projects", url.Values{"name": {"empty"}}, 303)
	admin.Follow(200)
	admin.Post("/projects/empty/remove", url.Values{"name": {"empty"}}, 303)
	if body := admin.Follow(200); !strings.Contains(body, "Project empty is deleted.") {
		t.Error(body)
	}
}

func TestTagsAreDeletedAndComeBack(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "dev", "keeper")
	s.Project(t, "team", false, map[string]string{"dev": "developer", "keeper": "maintainer"})
	for _, tag := range []string{"v1", "v2", "v3"} {
		s.Push(t, "team/app", tag, webtest.Image{Layers: []map[string]string{{"version": tag}}})
	}
	dev := s.As(t, "dev")
	if body := dev.Get("/repositories/team/app", 200); strings.Contains(body, "checkbox") || !strings.Contains(body, "3 tags") {
		t.Errorf("a developer may not delete: %s", body)
	}
	dev.Post("/tags/delete/team/app", url.Values{"tag": {"v1"}}, 403)

	v := s.As(t, "keeper")
	v.Get("/repositories/team/app", 200)
	v.Post("/tags/delete/team/app", url.Values{}, 303)
	if body := v.Follow(200); !strings.Contains(body, "No tag was chosen.") {
		t.Error(body)
	}
	v.Post("/tags/delete/team/app", url.Values{"tag": {"v1", "v3", "gone"}}, 303)
	body := v.Follow(200)
	if !strings.Contains(body, "2 tags are deleted: v1, v3") || strings.Contains(body, "team/app:v1\"") || !strings.Contains(body, "1 tag<") {
		t.Errorf("after deleting: %s", body)
	}
	form := url.Values{}
	for _, name := range []string{"after", "until"} {
		_, rest, _ := strings.Cut(body, `name="`+name+`" value="`)
		value, _, _ := strings.Cut(rest, `"`)
		form.Set(name, value)
	}
	dev.Get("/repositories/team/app", 200)
	dev.Post("/tags/restore/team/app", form, 303) // what another deleted stays deleted
	if body := dev.Follow(200); !strings.Contains(body, "0 tags are back") {
		t.Error(body)
	}
	v.Post("/tags/restore/team/app", form, 303)
	if body := v.Follow(200); !strings.Contains(body, "2 tags are back.") || !strings.Contains(body, "team/app:v1\"") {
		t.Errorf("after undoing: %s", body)
	}
	s.Do(t, webtest.Call{Method: "GET", Path: "/v2/team/app/manifests/v3"}, 200)
	v.Post("/tags/restore/team/app", url.Values{"after": {"x"}}, 400)
}

func TestTagPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	desc := s.Push(t, "team/app", "", webtest.Image{})
	v := s.As(t, "admin")
	m := s.Do(t, webtest.Call{Method: "GET", Path: "/v2/team/app/manifests/" + desc.Digest.String()}, 200)
	for _, tag := range numbered("v", 120) {
		s.Manifest(t, "team/app", tag, ocispec.MediaTypeImageManifest, m)
	}
	for _, order := range []string{"newest", "name"} {
		seen := map[string]bool{}
		path := "/repositories/team/app?order=" + order
		pages := 0
		for ; path != ""; pages++ {
			body := v.Get(path, 200)
			for _, tag := range numbered("v", 120) {
				if strings.Contains(body, "/artifacts/team/app:"+tag+`"`) {
					if seen[tag] {
						t.Errorf("%s twice", tag)
					}
					seen[tag] = true
				}
			}
			path = ""
			if _, rest, ok := strings.Cut(body, `id="more"><a class="button" href="`); ok {
				path, _, _ = strings.Cut(rest, `"`)
				path = strings.ReplaceAll(path, "&amp;", "&")
			}
		}
		if len(seen) != 120 || pages != 3 {
			t.Errorf("%s: %d tags on %d pages", order, len(seen), pages)
		}
	}
	body := v.Get("/repositories/team/app?match=V11", 200)
	if n := strings.Count(body, `class="main" href="/artifacts/`); n != 10 {
		t.Errorf("filter: %d rows", n)
	}
	if body := v.Get("/repositories/team/app?match=100%25_", 200); !strings.Contains(body, "Nothing here matches") {
		t.Error("the filter takes wildcards")
	}
	v.Get("/repositories/team/app?after=!", 400)
	v.Get("/repositories/team/absent", 404)
}

func TestArtifact(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	img := s.Push(t, "team/app", "v1", webtest.Image{
		Layers: []map[string]string{{"a": strings.Repeat("x", 5000)}, {"b": "y"}},
		Steps:  []string{"/bin/sh -c #(nop) ADD file:1 in / ", "RUN /bin/sh -c make # buildkit"},
		Config: ocispec.ImageConfig{
			Env: []string{"PATH=/bin", "TOKEN="}, Entrypoint: []string{"/app"}, Labels: map[string]string{"team": "blue"},
			ExposedPorts: map[string]struct{}{"80/tcp": {}},
		},
		Annotations: map[string]string{"org.opencontainers.image.source": "https://example.com/app"},
	})
	s.Push(t, "team/app", "", webtest.Image{Subject: &img, Type: "application/vnd.dev.cosign.artifact.sig.v1+json"})
	img.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	s.Index(t, "team/app", "multi", img)
	v := s.As(t, "admin")
	body := v.Get("/artifacts/team/app:v1", 200)
	for _, want := range []string{
		"ADD file:1 in /", "RUN make<", "<dt>PATH</dt><dd>/bin</dd>", "<dt>team</dt><dd>blue</dd>", "80/tcp", "2 layers",
		img.Digest.String(), "https://example.com/app", "Signature", "docker pull ", "CMD [&#34;/app&#34;]", "linux/amd64",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	if body := v.Get("/artifacts/team/app:v1?client=cove", 200); !strings.Contains(body, "cove pull ") {
		t.Error("no command for cove")
	}
	if body := v.Get("/artifacts/team/app:multi", 200); !strings.Contains(body, "linux/arm64/v8") {
		t.Errorf("index: %s", body)
	}
	v.Get("/artifacts/team/app:absent", 404)
	v.Get("/artifacts/team/app", 400)
	v.Get("/artifacts/team/app@sha256:zz", 400)

	pinned := "/artifacts/delete/team/app@" + img.Digest.String()
	v.Get("/artifacts/team/app:v1", 200)
	v.Post(pinned, url.Values{}, 409) // the index needs it
	v.Get("/artifacts/team/app:multi", 200)
	v.Post("/artifacts/delete/team/app:multi", url.Values{}, 400)
}

func TestSearch(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "ada")
	s.Project(t, "blue", false, map[string]string{"ada": "guest"})
	s.Project(t, "secret", false, nil)
	desc := s.Push(t, "blue/web", "release-1", webtest.Image{})
	s.Push(t, "secret/web", "release-1", webtest.Image{})
	ada := s.As(t, "ada")
	for q, want := range map[string]string{
		"BLUE": `href="/projects/blue"`, "web": `href="/repositories/blue/web"`, "web:rel": `href="/artifacts/blue/web:release-1"`,
		desc.Digest.String()[:20]: `href="/artifacts/blue/web@` + desc.Digest.String(), desc.Digest.Encoded()[:8]: "blue/web@",
	} {
		body := ada.Get("/search?q="+url.QueryEscape(q), 200)
		if !strings.Contains(body, want) || strings.Contains(body, "secret") {
			t.Errorf("%s: %s", q, body)
		}
	}
	if body := ada.Get("/search?q=%25", 200); !strings.Contains(body, "Nothing here matches") {
		t.Error("a search takes wildcards")
	}
	ada.Get("/search", 200)
	if body := s.Visitor(t).Get("/search?q=web", 200); strings.Contains(body, "/repositories/") {
		t.Errorf("a visitor finds what is private: %s", body)
	}
}

func TestErrorsHavePages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	v := s.Visitor(t)
	if body := v.Get("/nowhere", 404); !strings.Contains(body, "Not found") {
		t.Error(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), "DELETE", s.URL+"/projects", nil)
	if err != nil {
		t.Fatal(err)
	}
	v.Send(r)
	if v.Last.StatusCode != 405 || v.Last.Header.Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("%d, Allow %q", v.Last.StatusCode, v.Last.Header.Get("Allow"))
	}
	v.Get("/static/none.css", 404)
	v.Get("/ca.crt", 404) // plain HTTP has none
	v.SetCookie("cove_language", "zh")
	if body := v.Get("/nowhere", 404); !strings.Contains(body, "未找到") || !strings.Contains(body, `lang="zh"`) {
		t.Errorf("in Chinese: %s", body)
	}
}

func TestAssets(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	v := s.Visitor(t)
	body := v.Get("/sign-in", 200)
	_, rest, _ := strings.Cut(body, `rel="stylesheet" href="`)
	css, _, _ := strings.Cut(rest, `"`)
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+css, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip, br;q=0")
	v.Send(r)
	h := v.Last.Header
	if v.Last.StatusCode != 200 || h.Get("Content-Encoding") != "gzip" || !strings.Contains(h.Get("Cache-Control"), "immutable") ||
		!strings.HasPrefix(h.Get("Content-Type"), "text/css") {
		t.Errorf("%d %v", v.Last.StatusCode, h)
	}
	r.Header.Set("If-None-Match", h.Get("ETag"))
	if v.Send(r); v.Last.StatusCode != 304 {
		t.Errorf("again: %d", v.Last.StatusCode)
	}
}

func TestFiles(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "stranger")
	img := s.Push(t, "library/app", "v1", webtest.Image{Layers: []map[string]string{
		{"etc/": "", "etc/motd": "<b>hello</b>", "etc/gone": "x", "bin/tool": "\x7fELF\x00"},
		{"etc/.wh.gone": "", "a&b#c?d=e%": "odd"},
	}})
	v := s.As(t, "admin")
	if body := v.Get("/artifacts/library/app:v1", 200); !strings.Contains(body, `href="/files/library/app@`+img.Digest.String()+`"`) {
		t.Error("the artifact does not lead to its files")
	}
	at := "/files/library/app@" + img.Digest.String()
	body := v.Get(at, 200)
	if !strings.Contains(body, "path=etc") || !strings.Contains(body, "path=a%26b%23c%3Fd%3De%25") {
		t.Errorf("root: %s", body)
	}
	if body := v.Get(at+"?path=etc", 200); !strings.Contains(body, "motd") || strings.Contains(body, "gone") {
		t.Errorf("what a layer took away is shown: %s", body)
	}
	if body := v.Get(at+"?path=/etc/motd", 200); !strings.Contains(body, "&lt;b&gt;hello&lt;/b&gt;") {
		t.Errorf("preview: %s", body)
	}
	if body := v.Get(at+"?path=a%26b%23c%3Fd%3De%25", 200); !strings.Contains(body, "odd") {
		t.Errorf("preview: %s", body)
	}
	if body := v.Get(at+"?path=bin/tool", 200); !strings.Contains(body, "is not text") {
		t.Errorf("preview: %s", body)
	}
	layer := regexp.MustCompile(`\?layer=(sha256(?::|%3a)[0-9a-f]+)`).FindAllStringSubmatch(v.Get("/artifacts/library/app:v1", 200), -1)
	if len(layer) != 2 {
		t.Fatalf("%d links to layers", len(layer))
	}
	if body := v.Get(at+"?path=etc&layer="+layer[1][1], 200); !strings.Contains(body, "gone") || !strings.Contains(body, "removed") {
		t.Errorf("upper layer: %s", body)
	}
	v.Get(at+"?path=../../etc/none", 404)
	v.Get(at+"?layer=sha256:zz", 400)
	v.Get(at+"?layer="+img.Digest.String(), 404)
	v.Get("/files/library/app:none", 404)
	s.Index(t, "library/app", "index", img)
	v.Get("/files/library/app:index", 400)
	s.As(t, "stranger").Get(at, 403)
}

// TestOnPostgres looks at every page of a registry whose database is PostgreSQL.
func TestOnPostgres(t *testing.T) {
	s := webtest.Start(t, config.Config{Database: metadatatest.Postgres(t).New(t)})
	s.Users(t, "ada")
	s.Project(t, "team", true, map[string]string{"ada": "maintainer"})
	img := s.Push(t, "team/app", "v1", webtest.Image{Layers: []map[string]string{{"file": "text"}}})
	s.Index(t, "team/app", "multi", img)
	v := s.As(t, "ada")
	for _, path := range []string{
		"/start", "/projects", "/projects?match=tea&after=a", "/projects/team", "/repositories/team/app", "/repositories/team/app?order=name&match=v",
		"/artifacts/team/app:v1", "/artifacts/team/app:multi", "/files/team/app:v1?path=file", "/search?q=app", "/search?q=app:v", "/search?q=" + img.Digest.Encoded()[:10],
		"/account",
	} {
		if body := v.Get(path, 200); strings.HasPrefix(path, "/search?q=app") && !strings.Contains(body, "team/app") {
			t.Errorf("%s finds nothing: %s", path, body)
		}
	}
	for _, path := range []string{"/projects/none%00", "/search?q=%00", "/search?q=%ff", "/projects/%ff", "/repositories/team/app?match=%fe", "/nowhere%00"} {
		want := 400
		if strings.HasPrefix(path, "/nowhere") {
			want = 404
		}
		v.Get(path, want)
	}
	v.Get("/repositories/team/app", 200)
	v.Post("/tags/delete/team/app", url.Values{"tag": {"v1", "multi"}}, 303)
	if body := v.Follow(200); !strings.Contains(body, "2 tags are deleted") {
		t.Error(body)
	}
	admin := s.As(t, "admin")
	for _, path := range []string{"/users", "/audit", "/projects/team/members", "/projects/team/settings"} {
		admin.Get(path, 200)
	}
}
