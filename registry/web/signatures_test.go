package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cove/distribution/signature/signaturetest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestSignatures goes through the pages on signatures as a guest and as who looks after
// the project.
func TestSignatures(t *testing.T) {
	s := webtest.Start(t, config.Config{})
	s.Users(t, "boss", "reader")
	s.Project(t, "sealed", false, map[string]string{"boss": "project-admin", "reader": "guest"})
	page := s.Signing(t, "sealed")
	boss, reader := s.As(t, "boss"), s.As(t, "reader")
	pull := func(tag string, want int) {
		t.Helper()
		s.Do(t, webtest.Call{Method: http.MethodGet, Path: "/v2/sealed/app/manifests/" + tag}, want)
	}
	has := func(body string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("there is no %q in %s", text, body)
			}
		}
	}
	pull("v1", 200)
	pull("v2", 403)
	has(reader.Get("/artifacts/sealed/app:v1", 200), "Signed by release", "Unknown key", "CN=builder", "cosign (bundle)", "notation")
	has(reader.Get("/artifacts/sealed/app:v2", 200), "Not signed", "It is not pulled")
	has(reader.Get("/projects/sealed", 200), "Signed only")
	if body := reader.Get(page, 200); strings.Contains(body, "Let everything be pulled") || !strings.Contains(body, "ECDSA P-256") {
		t.Errorf("a guest's: %s", body)
	}
	reader.Post(page, url.Values{"required": {"0"}}, 403)
	has(boss.Get(page, 200), "Let everything be pulled", "CN=authority root")
	boss.Post(page+"/keys", url.Values{"name": {"bad"}, "pem": {"hello"}}, 303)
	has(boss.Follow(200), "that is no PEM")
	boss.Post(page+"/keys/remove", url.Values{"name": {"release"}}, 303)
	has(boss.Follow(200), "Signatures by release count no more.")
	pull("v1", 403)
	boss.Post(page+"/keys/remove", url.Values{"name": {"authority"}}, 303)
	has(boss.Follow(200), "so nothing is pulled from this project")
	boss.Post(page, url.Values{"required": {"0"}}, 303)
	has(boss.Follow(200), "Everything may be pulled again.", "add a key first")
	pull("v2", 200)
	boss.Post(page+"/keys", url.Values{"name": {"again"}, "pem": {string(signaturetest.New(t, "rsa").PEM)}}, 303)
	has(boss.Follow(200), "Let only signed images be pulled", "RSA 2048")
}
