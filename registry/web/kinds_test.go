package web_test

import (
	"context"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

var saved = regexp.MustCompile(`href="(/download/[^"]*)"`)

// downloads are the files that a page offers: their names and their bytes.
func downloads(t *testing.T, s *webtest.Site, v *webtest.Visitor, body string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range saved.FindAllStringSubmatch(body, -1) {
		r, err := http.NewRequestWithContext(context.Background(), "GET", s.URL+m[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: "cove_session", Value: v.Cookie("cove_session")})
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		kind, params, parsed := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
		if err != nil || parsed != nil || resp.StatusCode != 200 || kind != "attachment" ||
			resp.Header.Get("Content-Type") != "application/octet-stream" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: %d %v %v %v", m[1], resp.StatusCode, resp.Header, err, parsed)
		}
		found[params["filename"]] = string(text)
	}
	return found
}

// TestArtifactsThatAreNoImages: charts, models of both kinds and other artifacts show what
// they say of themselves, and their files are saved under their names, byte by byte.
func TestArtifactsThatAreNoImages(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Chart(t, "library/shop", "1.2.3")
	s.Model(t, "library/talk", "v2")
	s.DockerModel(t, "library/smol", "latest")
	s.Generic(t, "library/report", "v1")
	admin := s.As(t, "admin")
	for path, want := range map[string][]string{
		"/artifacts/library/shop:1.2.3": {
			"A shop for small things", "4.5", "&gt;=1.25.0", "replicas: 3", "Sells <strong>things</strong>", "<h4>Values</h4>", "Ada Lovelace",
			"redis.enabled", "Deprecated", `href="https://git.example.com/shop"`, "helm pull oci://", "shop-1.2.3.tgz", `href="/files/`,
		},
		"/artifacts/library/talk:v2": {
			"Answers questions about a shop.", "safetensors", "8b", "transformer", "awq", "bf16", "text, image", "uses tools",
			"weights/model.safetensors", "Apache-2.0", "docker model",
		},
		"/artifacts/library/smol:latest":                                {"gguf", "361.82 M", "Q4_K_M", "llama.block_count", "2025-04-02"},
		"/artifacts/library/report:v1":                                  {"org.example.run", "4711", "application/vnd.example.report", "out/报告 of a long run.txt"},
		"/files/library/shop:1.2.3?path=shop/templates/deployment.yaml": {"kind: Deployment"},
	} {
		body := admin.Get(path, 200)
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s does not say %q", path, text)
			}
		}
		if strings.Contains(body, "another: one") {
			t.Errorf("%s shows the values of another chart", path)
		}
	}
	for path, want := range map[string]map[string]int{
		"/artifacts/library/shop:1.2.3": {"shop-1.2.3.tgz": -1, "shop-1.2.3.tgz.prov": 35},
		"/artifacts/library/talk:v2":    {"model.safetensors": 300_000, "LICENSE": 15},
		"/artifacts/library/report:v1":  {"报告 of a long run.txt": 12},
	} {
		got := downloads(t, s, admin, admin.Get(path, 200))
		for name, size := range want {
			if text, ok := got[name]; !ok || size >= 0 && len(text) != size {
				t.Errorf("%s: %q has %d bytes, want %d", path, name, len(text), size)
			}
		}
	}
}

// TestDownloadsAreHeld: what may not be pulled is not saved either, nobody saves what is
// another's, and what was saved is in the audit log as a pull.
func TestDownloadsAreHeld(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "bob")
	s.Project(t, "secret", false, nil)
	s.Generic(t, "secret/report", "v1")
	s.Signing(t, "sealed")
	s.Generic(t, "sealed/report", "v1")
	admin, bob := s.As(t, "admin"), s.As(t, "bob")
	at := saved.FindStringSubmatch(admin.Get("/artifacts/secret/report:v1", 200))[1]
	admin.Get(at, 200)
	bob.Get(at, 403)
	s.Visitor(t).Get(at, 303)
	admin.Get("/download/secret/report:v1?digest=sha256:"+strings.Repeat("0", 64), 404)
	admin.Get("/download/secret/report:v1?digest=x", 400)
	unsigned := saved.FindStringSubmatch(admin.Get("/artifacts/sealed/report:v1", 200))[1]
	admin.Get(unsigned, 403)
	for range 200 {
		if strings.Contains(admin.Get("/audit?"+url.Values{"action": {"manifest.pull"}}.Encode(), 200), "secret/report") {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Error("the audit log has no pull")
}
