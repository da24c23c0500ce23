package browsertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/registry/browse/about"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// cases counts what attacks tried, and says it.
type cases struct {
	*testing.T
	n int
}

func (c *cases) tried(n int) { c.n += n }

func (c *cases) told(what string) { c.Logf("T14: %d cases of %s", c.n, what) }

// scripts are texts that run a script where they are taken for markup.
var scripts = []string{
	`"><img src=x onerror="window.owned=1"><script>window.owned=1</script>`,
	`'><svg/onload=window.owned=1><svg><script>window.owned=1</script></svg>`,
	`" autofocus onfocus="window.owned=1" x="` + "`${window.owned=1}`{{constructor.constructor('owned=1')()}}",
	`<iframe srcdoc="<script>parent.owned=1</script>"></iframe><object data="javascript:parent.owned=1">`,
	`" hx-on::load="window.owned=1" hx-trigger="load" hx-get="/users" hx-vals="js:{a:window.owned=1}" data-hx-on:click="owned=1`,
	`<meta http-equiv="refresh" content="0;url=data:text/html,x"><base href="https://evil.example/"><form action="https://evil.example/"><button autofocus>`,
	`--></textarea></title></style></script><math><mtext><table><mglyph><style><!--</style><img title="--><img src=x onerror=window.owned=1>">`,
	`javascript:window.owned=1//"><a href="javascript:window.owned=1">x</a>[x](javascript:window.owned=1)<style>*{background:url(https://evil.example/)}</style>`,
}

// alive lists what markup of a stranger would have brought to a page, and what no page of
// ours has: handlers, addresses that are scripts, frames, scripts and styles within it.
const alive = `[...document.querySelectorAll("*")].flatMap((e) => {
	const found = [...e.attributes].filter((a) => /^(on|hx-on|data-hx-on)/i.test(a.name) || a.name === "style" || a.name === "srcdoc" ||
		/^(href|src|action|formaction|data|xlink:href)$/i.test(a.name) && /^\s*(javascript|data|vbscript):/i.test(a.value) ||
		/^(action|formaction|src)$/i.test(a.name) && !a.value.startsWith("/") && !a.value.startsWith("?") && a.value !== "").map((a) => a.name + "=" + a.value);
	if (/^(iframe|object|embed|base|style|math|mglyph|frame|applet)$/i.test(e.tagName) || e.tagName === "SCRIPT" && !e.src ||
		e.tagName === "META" && e.httpEquiv) found.push(e.outerHTML.slice(0, 80));
	return found.map((f) => e.tagName + " " + f);
}).join("; ")`

// inert visits pages on which a stranger's text is shown, and says which of them let it live.
func (b browser) inert(c *cases, pages []string, text string) {
	b.Helper()
	shown := 0
	for _, path := range pages {
		b.visit(path)
		if eval[bool](b, fmt.Sprintf(`document.body.textContent.includes(%q)`, text[:12])) {
			shown++
		}
		if owned := eval[bool](b, "window.owned !== undefined"); owned {
			b.Errorf("%s: a script ran", path)
		}
		if got := eval[string](b, alive); got != "" {
			b.Errorf("%s: alive is %.300s", path, got)
		}
		want, _, _ := strings.Cut(path, "?")
		if at := eval[string](b, "location.origin + decodeURIComponent(location.pathname)"); at != b.site.URL+want {
			b.Errorf("%s led to %s", path, at)
		}
		c.tried(1)
	}
	if shown < len(pages)/2 {
		b.Errorf("of %d pages only %d show what was to be shown", len(pages), shown)
	}
}

// TestScriptsOfStrangers puts texts that want to be scripts wherever somebody who is not
// an administrator can put a text, and opens every page that shows it. In the usual tests
// it is one of the texts, in soak each of them.
func TestScriptsOfStrangers(t *testing.T) {
	texts := scripts
	if os.Getenv("COVE_SOAK") == "" {
		texts = texts[:1]
	}
	c := &cases{T: t}
	for _, text := range texts {
		s := webtest.Start(t, config.Config{Accounts: config.Accounts{Registration: config.RegistrationApproval}})
		pages := hostileSite(t, s, text)
		b := open(t, s)
		b.signIn("admin")
		b.inert(c, pages, text)
		for _, fault := range b.faults.all() {
			t.Error(fault)
		}
	}
	c.told("texts that want to be scripts")
}

// hostileSite has a text in every field that takes it, and returns the pages that show it.
// What a field refuses, as names do, is shown nowhere.
func hostileSite(t *testing.T, s *webtest.Site, text string) (pages []string) {
	t.Helper()
	const repo = "library/app"
	pages = hostileArtifacts(t, s, repo, text)
	try := func(method, path string, body any) {
		t.Helper()
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/api/v1"+path, strings.NewReader(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("admin", webtest.Password)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("User-Agent", strings.ReplaceAll(text, "\n", " "))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode >= 500 {
			t.Errorf("%s %s: %d", method, path, resp.StatusCode)
		}
	}
	type m = map[string]any
	s.Users(t, "mallory")
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("X-Text", text)
		w.WriteHeader(500)
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(receiver.Close)
	for _, name := range []string{text, "harmless"} {
		try("POST", "/users", m{"name": name, "password": webtest.Password})
		try("POST", "/projects", m{"name": name})
		try("POST", "/groups", m{"name": name})
		try("POST", "/labels", m{"name": name, "color": "#112233", "description": text})
		try("POST", "/projects/library/labels", m{"name": name + " too", "color": text, "description": text})
		try("POST", "/projects/library/labels", m{"name": name + " two", "color": "#000000", "description": text})
		try("POST", "/artifact-labels/"+repo+":v1", m{"name": name})
		try("POST", "/artifact-labels/"+repo+":v1", m{"name": name + " two"})
		try("POST", "/projects/library/robots", m{"name": name, "rights": []string{"pull"}, "description": text})
		try("POST", "/robots", m{"name": name, "rights": []string{"pull"}, "description": text})
		try("POST", "/me/tokens", m{"name": name, "rights": []string{"pull"}, "repositories": text})
		try("POST", "/me/tokens", m{"name": name + " two", "rights": []string{"pull"}})
		try("PUT", "/roles/"+url.PathEscape(name), m{"rights": []string{"pull"}, "description": text})
		try("POST", "/projects/library/webhooks", m{"name": name, "url": receiver.URL, "events": []string{"PUSH_ARTIFACT"}, "description": text})
		try("POST", "/projects/library/trust", m{
			"name": name, "issuer": "https://id.example", "audience": text, "claims": m{"sub": []string{text}, text: []string{text}},
			"rights": []string{"pull"}, "description": text,
		})
		try("PUT", "/projects/library/exceptions/"+url.PathEscape(name), m{"reason": text})
		try("PUT", "/projects/library/exceptions/CVE-2021-44906", m{"reason": text})
		try("POST", "/projects/library/keys", m{"name": name, "key": text})
		try("POST", "/endpoints", m{"name": name, "address": strings.TrimPrefix(receiver.URL, "http://"), "user": text, "password": text})
		try("POST", "/replication/rules", m{"name": name, "endpoint": name, "direction": "pull", "repositories": "x/**", "tags": text, "schedule": text})
	}
	pages = append(pages, hostileScans(t, s, text)...)
	v := s.Visitor(t)
	v.Get("/sign-in", 200)
	form := url.Values{"name": {"mallory"}, "password": {webtest.Password}, "form_token": {v.Token()}}
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/sign-in", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", text)
	v.Send(r)
	s.Status(t, text, text, "GET", "/v2/") // a sign-in that is refused, in the log
	q := url.QueryEscape(text)
	return append(
		pages, "/projects/library", "/repositories/"+repo, "/history/"+repo, "/labels", "/projects/library/labels", "/robots", "/projects/library/robots",
		"/account/tokens", "/account", "/roles", "/groups", "/users", "/audit", "/projects/library/webhooks", "/projects/library/trust",
		"/projects/library/trust/harmless", "/projects/library/scanning", "/projects/library/signing", "/replication", "/replication?endpoint=harmless",
		"/jobs", "/usage", "/usage/"+repo, "/search?q="+q, "/projects?match="+q, "/repositories/"+repo+"?match="+q+"&order="+q+"&label="+q,
		"/start?client="+q, "/users?after="+q, "/audit?actor="+q+"&action="+q, "/jobs?state="+q, "/access?user="+q+"&verb="+q+"&object="+q,
		"/compare/"+repo+":v1?with="+url.QueryEscape(repo+":index"), "/security?match="+q, "/sign-in/oidc/test",
	)
}

// hostileArtifacts pushes artifacts of every kind with a text in all their fields.
func hostileArtifacts(t *testing.T, s *webtest.Site, repo, text string) (pages []string) {
	t.Helper()
	svg := `<svg xmlns="http://www.w3.org/2000/svg" onload="window.owned=1"><script>window.owned=1</script></svg>`
	html := "<!doctype html><script>window.owned=1</script>" + text
	img := s.Push(t, repo, "v1", webtest.Image{
		Layers: []map[string]string{{text: text, "page.html": html, "picture.svg": svg, "README.md": "# " + text + "\n\n" + text + "\n"}},
		Steps:  []string{text},
		Config: ocispec.ImageConfig{
			Env: []string{text + "=" + text}, Cmd: []string{text}, Entrypoint: []string{text}, Labels: map[string]string{text: text},
			User: text, WorkingDir: text, StopSignal: text, Volumes: map[string]struct{}{text: {}}, ExposedPorts: map[string]struct{}{text: {}},
		},
		Annotations: map[string]string{
			text: text, ocispec.AnnotationTitle: text, ocispec.AnnotationURL: text, ocispec.AnnotationSource: text,
			ocispec.AnnotationDocumentation: text, ocispec.AnnotationDescription: text, ocispec.AnnotationVendor: text,
		},
	})
	s.Push(t, repo, "", webtest.Image{Subject: &img, Type: "application/x" + text, Annotations: map[string]string{text: text}})
	child := img
	child.Platform = &ocispec.Platform{OS: text, Architecture: text, Variant: text, OSVersion: text}
	child.Annotations = map[string]string{"vnd.docker.reference.digest": text, "vnd.docker.reference.type": text}
	s.Index(t, repo, "index", child)
	quoted := func(format string) []byte {
		q, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(strings.ReplaceAll(format, "$", string(q)))
	}
	files := []webtest.File{
		{Kind: "text/html", Body: []byte(html), Annotations: map[string]string{ocispec.AnnotationTitle: text, about.ModelPath: text}},
		{Kind: "image/svg+xml", Body: []byte(svg), Annotations: map[string]string{ocispec.AnnotationTitle: "picture.svg", about.ModelPath: "../" + text}},
		{Kind: "application/x" + text, Body: []byte(text)},
	}
	s.Artifact(t, repo, "chart", webtest.Other{Config: webtest.File{Kind: about.ChartConfig, Body: quoted(`{"apiVersion":"v2","name":$,
		"version":$,"appVersion":$,"kubeVersion":$,"type":$,"description":$,"home":$,"icon":$,"sources":[$],"keywords":[$],"annotations":{$:$},
		"maintainers":[{"name":$,"email":$,"url":$}],"dependencies":[{"name":$,"version":$,"repository":$,"condition":$,"alias":$}]}`)}, Files: files})
	s.Artifact(t, repo, "model", webtest.Other{
		Type: "application/vnd.cncf.model.manifest.v1+json", Config: webtest.File{Kind: about.ModelPackConfig, Body: quoted(`{"descriptor":{"name":$,
		"family":$,"version":$,"vendor":$,"licenses":[$],"authors":[$],"description":$,"docURL":$,"sourceURL":$,"title":$},"config":{"architecture":$,
		"format":$,"paramSize":$,"precision":$,"quantization":$,"capabilities":{"inputTypes":[$],"outputTypes":[$]}}}`)}, Files: files,
	})
	s.Artifact(t, repo, "smol", webtest.Other{Config: webtest.File{Kind: "application/vnd.docker.ai.model.config.v0.1+json", Body: quoted(`{"config":{"format":$,
		"quantization":$,"parameters":$,"architecture":$,"size":$,"gguf":{$:$}}}`)}, Files: files})
	s.Artifact(t, repo, "generic", webtest.Other{Type: "application/x" + text, Files: files, Annotations: map[string]string{text: text}})
	s.Chart(t, repo, "readme")
	for _, tag := range []string{"v1", "index", "chart", "model", "smol", "generic", "readme"} {
		pages = append(pages, "/artifacts/"+repo+":"+tag)
	}
	for _, path := range []string{"", "page.html", "picture.svg", "README.md", text} {
		pages = append(pages, "/files/"+repo+":v1?path="+url.QueryEscape(path))
	}
	return append(pages, "/files/"+repo+":readme?path=shop/README.md")
}

// hostileScans has a text in what a database says of flaws, and in the name of what has them.
func hostileScans(t *testing.T, s *webtest.Site, text string) (pages []string) {
	t.Helper()
	flaw := func(id, name, fixed string) []byte {
		data, err := json.Marshal(map[string]any{
			"id": id, "aliases": []string{text}, "summary": text, "details": text,
			"affected": []any{map[string]any{
				"package":  map[string]string{"ecosystem": "npm", "name": name},
				"versions": []string{"1.0.0", text},
				"ranges":   []any{map[string]any{"type": "SEMVER", "events": []any{map[string]string{"introduced": "0"}, map[string]string{"fixed": fixed}}}},
			}},
			"references": []any{map[string]string{"type": "WEB", "url": text}, map[string]string{"type": "WEB", "url": "javascript:window.owned=1"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	s.Do(t, webtest.Call{
		Method: "PUT", Path: "/api/v1/security/databases/osv",
		Body: slices.Concat(flaw("GHSA-xvch-5gv4-984h", "minimist", "1.2.6"), []byte("\n"), flaw("GHSA-xvch-5gv4-984j", text, text)),
	}, 200)
	name, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	s.Push(t, "library/flawed", "v1", webtest.Image{Layers: []map[string]string{{
		"app/node_modules/minimist/package.json": `{"name":"minimist","version":"1.2.5","license":` + string(name) + `}`,
		"app/node_modules/x/package.json":        `{"name":` + string(name) + `,"version":"1.0.0","license":` + string(name) + `}`,
		"var/lib/dpkg/status":                    "Package: bash\nStatus: install ok installed\nVersion: 1" + strings.ReplaceAll(text, "\n", "") + "\nArchitecture: all\nMaintainer: " + text + "\n\n",
		"etc/os-release":                         "ID=debian\nVERSION_ID=12\nPRETTY_NAME=" + string(name) + "\n",
	}}})
	s.API(t, "POST", "/scans/library/flawed:v1", "", 202)
	v := s.As(t, "admin")
	for n := 0; !strings.Contains(v.Get("/scans/library/flawed:v1", 200), "minimist"); n++ {
		if n == 400 {
			t.Fatalf("the image is not scanned: %s", s.API(t, "GET", "/jobs?limit=5", "", 200))
		}
		time.Sleep(25 * time.Millisecond)
	}
	return []string{"/scans/library/flawed:v1", "/security", "/security/vulnerabilities/GHSA-xvch-5gv4-984h"}
}

// TestStoredFilesAreNoPages opens stored bytes by their addresses, as a page of this origin
// would be opened: a browser stores them, and runs nothing.
func TestStoredFilesAreNoPages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Project(t, "open", true, nil)
	html := []byte("<!doctype html><title>owned</title><script>window.owned=1</script>")
	s.Artifact(t, "open/page", "v1", webtest.Other{Type: "text/html", Files: []webtest.File{
		{Kind: "text/html", Body: html, Annotations: map[string]string{ocispec.AnnotationTitle: "page.html"}},
	}})
	c := &cases{T: t}
	for _, path := range []string{
		"/v2/open/page/blobs/" + digest.FromBytes(html).String(), "/v2/open/page/manifests/v1", "/download/open/page:v1?digest=" + digest.FromBytes(html).String(),
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "*/*")
		r.SetBasicAuth("admin", webtest.Password)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		kind, sniffed := resp.Header.Get("Content-Type"), resp.Header.Get("X-Content-Type-Options")
		if resp.StatusCode != 200 || strings.Contains(kind, "html") || strings.Contains(kind, "svg") || strings.Contains(kind, "xml") || sniffed != "nosniff" {
			t.Errorf("%s: %d, %s, %q", path, resp.StatusCode, kind, sniffed)
		}
		c.tried(1)
	}
	c.told("stored files that want to be pages")
}

// stranger is a site of somebody else, on the same machine and on another: browsers send
// cookies to another port of a host, so that what only SameSite keeps off comes from there.
func stranger(t *testing.T) (sites []string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<!doctype html><title>a stranger</title><body>"))
	}))
	t.Cleanup(server.Close)
	return []string{server.URL, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)}
}

// form is one of a page, with all that it would send but its token.
type form struct {
	Action string
	Fields [][2]string
}

const collect = `[...document.forms].filter((f) => f.method === "post").map((f) => ({Action: f.getAttribute("action") || location.pathname,
	Fields: [...new FormData(f)].filter(([n]) => n !== "form_token").map(([n, v]) => [n, String(v)])}))`

// TestNothingIsChangedByStrangers collects every form of every page, and has pages of
// strangers send them (outside soak a part of them), and call the APIs, in the browser of
// who is signed in as an administrator; and show every page in a frame. Nothing changes,
// and nothing is shown.
func TestNothingIsChangedByStrangers(t *testing.T) {
	s, pages := filled(t)
	b := open(t, s)
	b.signIn("admin")
	forms := map[string]form{}
	for _, path := range pages {
		b.visit(path)
		for _, f := range eval[[]form](b, collect) {
			forms[f.Action] = f
		}
	}
	if len(forms) < 80 {
		t.Errorf("only %d forms were found", len(forms))
	}
	var list []form
	for _, f := range forms {
		if f.Action != "/preferences" { // it only changes what its sender's browser shows, and is tried below
			list = append(list, f)
		}
	}
	if slices.SortFunc(list, func(a, b form) int { return strings.Compare(a.Action, b.Action) }); os.Getenv("COVE_SOAK") == "" {
		list = slices.DeleteFunc(list, func(f form) bool { return len(f.Action)%6 != 0 })
	}
	c := &cases{T: t}
	before := changes(t, s)
	for _, site := range stranger(t) {
		for some := range slices.Chunk(list, 4) {
			b.elsewhere(site, some)
		}
		c.tried(len(list))
	}
	c.tried(byCookie(t, s))
	if after := changes(t, s); after != before {
		t.Errorf("something changed:\n%s\nbefore\n%s", after, before)
	}
	b.visit("/projects")
	if at := eval[string](b, "location.pathname"); at != "/projects" {
		t.Errorf("who was signed in is at %s", at)
	}
	c.told("requests of strangers")
	frames := &cases{T: t}
	b.framed(frames, stranger(t)[0], pages)
	frames.told("pages in frames")
}

// changes is the newest of what was ever changed, but for who signed in.
func changes(t *testing.T, s *webtest.Site) string {
	t.Helper()
	var log struct {
		Items []struct{ Action, Object, Actor, At string }
	}
	if err := json.Unmarshal(s.API(t, "GET", "/audit?limit=100", "", 200), &log); err != nil {
		t.Fatal(err)
	}
	for _, e := range log.Items {
		if !strings.HasPrefix(e.Action, "sign-in") && e.Action != "session.begin" && !strings.HasPrefix(e.Action, "pull") {
			return fmt.Sprint(e)
		}
	}
	return "nothing"
}

// elsewhere has a page of a stranger send forms as forms, each into a frame, and again by
// a script that sends cookies along.
func (b browser) elsewhere(site string, forms []form) {
	b.Helper()
	sent, err := json.Marshal(forms)
	if err != nil {
		b.Fatal(err)
	}
	b.run(chromedp.Navigate(site))
	failed := eval[string](b, fmt.Sprintf(`(async () => {
		const target = %q, failed = [];
		for (const f of %s) {
			const frame = document.createElement("iframe");
			frame.name = "f" + Math.random();
			document.body.append(frame);
			const form = document.createElement("form");
			Object.assign(form, {method: "post", action: target + f.Action, target: frame.name});
			for (const [name, value] of [...f.Fields, ["form_token", "guessed"]]) {
				const field = document.createElement("input");
				Object.assign(field, {name, value});
				form.append(field);
			}
			document.body.append(form);
			const loaded = new Promise((done) => { frame.onload = done; setTimeout(done, 500); });
			HTMLFormElement.prototype.submit.call(form);
			await loaded;
			const body = new URLSearchParams(f.Fields);
			try {
				const got = await fetch(target + f.Action, {method: "POST", signal: AbortSignal.timeout(500), credentials: "include", body});
				failed.push(f.Action + " can be read: " + got.status);
			} catch { /* the browser lets nothing be read */ }
			frame.remove();
		}
		return failed.join(", ");
	})()`, b.site.URL, sent))
	if failed != "" {
		b.Error(failed)
	}
}

// byCookie calls all operations that change something with the cookie of a session alone,
// as a page of a stranger makes a browser do.
func byCookie(t *testing.T, s *webtest.Site) (n int) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(s.API(t, "GET", "/openapi.json", "", 200), &document); err != nil {
		t.Fatal(err)
	}
	var asked [][2]string
	fill := strings.NewReplacer("{project}", "payments", "{name}", "payments", "{user}", "grace", "{artifact}", "payments/worker:build-1",
		"{repository}", "payments/worker")
	for path, verbs := range document.Paths {
		for verb := range verbs {
			if verb = strings.ToUpper(verb); verb == "POST" || verb == "PUT" || verb == "PATCH" || verb == "DELETE" {
				asked = append(asked, [2]string{verb, "/api/v1" + strings.TrimPrefix(fill.Replace(path), "/api/v1")})
			}
		}
	}
	for _, path := range []string{"/projects", "/robots", "/users", "/registries", "/replication/policies", "/labels", "/retentions"} {
		asked = append(asked, [2]string{"POST", "/api/v2.0" + path})
	}
	asked = append(asked, [2]string{"DELETE", "/api/v2.0/projects/payments"}, [2]string{"DELETE", "/v2/payments/worker/manifests/build-1"},
		[2]string{"POST", "/v2/payments/worker/blobs/uploads/"}, [2]string{"PUT", "/v2/payments/worker/manifests/evil"})
	v := s.As(t, "admin")
	for _, a := range asked {
		for _, site := range []string{"", "cross-site", "same-site"} {
			r, err := http.NewRequestWithContext(t.Context(), a[0], s.URL+a[1], strings.NewReader(`{"name":"evil"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
				r.Header.Set("Origin", "https://evil.example")
			}
			if v.Send(r); v.Last.StatusCode != 401 && v.Last.StatusCode != 403 {
				t.Errorf("%s %s from %q: %d", a[0], a[1], site, v.Last.StatusCode)
			}
			n++
		}
	}
	return n
}

// framed has a stranger show pages in frames: none is shown.
func (b browser) framed(c *cases, site string, pages map[string]string) {
	b.Helper()
	b.run(chromedp.Navigate(site))
	for name, path := range pages {
		path, _, _ := strings.Cut(path, "#")
		shown := eval[bool](b, fmt.Sprintf(`new Promise((done) => {
			const frame = document.createElement("iframe");
			frame.onload = () => { // what is refused is replaced by a page of the browser's own
				const loaded = performance.getEntriesByType("resource").filter((e) => e.name === frame.src).some((e) => e.responseStatus === 200);
				done(loaded && frame.contentDocument !== null);
				frame.remove();
			};
			setTimeout(() => done(false), 5000);
			frame.src = %q;
			document.body.append(frame);
		})`, b.site.URL+path))
		if shown {
			b.Errorf("%s is shown in a frame", name)
		}
		c.tried(1)
	}
	refused := 0
	for _, fault := range b.faults.all() {
		if strings.Contains(fault, "frame-ancestors") {
			refused++
		}
	}
	if refused < len(pages) {
		b.Errorf("of %d frames the browser has refused %d", len(pages), refused)
	}
}

// TestNoWayLeadsElsewhere follows every parameter that says where to go on: nobody is sent
// to another host by it.
func TestNoWayLeadsElsewhere(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	b := open(t, s)
	b.signIn("admin")
	c := &cases{T: t}
	for _, next := range []string{
		"//evil.example", "///evil.example", "////evil.example/..", "/\\evil.example", "\\\\evil.example", "\\/evil.example", "/\\/evil.example",
		"/%2f/evil.example", "%2f%2fevil.example", "/%2fevil.example", "/%5cevil.example", "/%09/evil.example", "/\t/evil.example", "\t//evil.example",
		" //evil.example", "/\n/evil.example", "/\r\nLocation: //evil.example", "https://evil.example", "https:evil.example", "https:/evil.example",
		"http:///evil.example", "HTTPS://evil.example", "javascript:window.owned=1", "java\tscript:window.owned=1", "data:text/html,x", "vbscript:x",
		"/.//evil.example", "/..//evil.example", "/x/..//evil.example", "/./\\evil.example", "@evil.example", "//127.0.0.1@evil.example",
		"//evil.example\\@127.0.0.1", "/\u2028/evil.example", "/\u3002evil.example", "／／evil.example", "/／evil.example", "//ⓔvil.example", "/\u00a0/evil.example",
		"/;//evil.example", "/?//evil.example", "/#//evil.example", "?next=//evil.example", "//[::ffff:7f00:1]", "/\x00/evil.example", "/\u0000//evil.example",
	} {
		for _, way := range []string{"/sign-in?next=", "/sign-in/oidc?next="} {
			b.run(chromedp.Navigate(s.URL + way + url.QueryEscape(next)))
			b.stays(way+next, c)
		}
		b.visit("/projects")
		b.run(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`{
			const form = [...document.forms].find((f) => f.getAttribute("action") === "/preferences");
			form.elements.next.value = %q;
			HTMLFormElement.prototype.submit.call(form);
		}`, next)))
		b.until(`document.readyState === "complete" && (location.pathname !== "/preferences" || document.body.innerText.includes("bytes that are no text"))`)
		b.stays("preferences to "+next, c)
	}
	for _, fault := range b.faults.all() {
		t.Error(fault)
	}
	c.told("ways that lead elsewhere")
}

func (b browser) stays(way string, c *cases) {
	b.Helper()
	if at := eval[string](b, "location.origin"); at != b.site.URL {
		b.Errorf("%q leads to %s", way, at)
	}
	c.tried(1)
}
