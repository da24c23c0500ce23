package registrycmd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// adapterKey is what the scanner of tests wants to be signed in to by.
const adapterKey = "a key of 20 letters"

// othersScanner is a scanner as the specification of Harbor's pluggable scanners has it,
// version 1.1: it pulls the image with what it was given, and finds one flaw in a file.
type othersScanner struct {
	t *testing.T

	mu      sync.Mutex
	scans   map[string]scanOfOthers
	asked   int    // for reports
	fails   bool   // to scan
	used    string // the last authorization
	pending int    // how often a report is not there yet
}

type scanOfOthers struct {
	Registry struct {
		URL           string `json:"url"`
		Authorization string `json:"authorization"`
	} `json:"registry"`
	Artifact struct {
		Repository string `json:"repository"`
		Digest     string `json:"digest"`
		MimeType   string `json:"mime_type"`
	} `json:"artifact"`
	Capabilities []struct {
		Type     string   `json:"type"`
		Produces []string `json:"produces_mime_types"`
	} `json:"enabled_capabilities"`
	left int
}

const (
	vulnReport  = "application/vnd.security.vulnerability.report; version=1.1"
	ociManifest = "application/vnd.oci.image.manifest.v1+json"
)

func (s *othersScanner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(status int, why string) {
		w.Header().Set("Content-Type", "application/vnd.scanner.adapter.error+json; version=1.0")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":{"message":%q}}`, why)
	}
	if r.Header.Get("X-ScannerAdapter-API-Key") != adapterKey {
		refuse(http.StatusUnauthorized, "who are you")
		return
	}
	id := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/base/api/v1/scan/"), "/report")
	switch {
	case r.Method == "GET" && r.URL.Path == "/base/api/v1/metadata":
		w.Header().Set("Content-Type", "application/vnd.scanner.adapter.metadata+json; version=1.1")
		_, _ = fmt.Fprintf(w, `{"scanner":{"name":"Looker","vendor":"Example","version":"1.2"},"capabilities":[
			{"type":"sbom","consumes_mime_types":[%[2]q],"produces_mime_types":["application/vnd.security.sbom.report+json; version=1.0"]},
			{"type":"vulnerability","consumes_mime_types":[%[2]q],"produces_mime_types":[
			"application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0",%[1]q]}],"properties":{}}`, vulnReport, ociManifest)
	case r.Method == "POST" && r.URL.Path == "/base/api/v1/scan":
		var asked scanOfOthers
		if r.Header.Get("Content-Type") != "application/vnd.scanner.adapter.scan.request+json; version=1.1" ||
			json.NewDecoder(r.Body).Decode(&asked) != nil {
			refuse(http.StatusUnprocessableEntity, "that is no request")
			return
		}
		asked.left = s.pending
		s.scans[fmt.Sprint("scan-", len(s.scans))] = asked
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprintf(w, `{"id":"scan-%d"}`, len(s.scans)-1)
	case r.Method == "GET" && strings.HasSuffix(r.URL.Path, "/report"):
		s.report(w, r, id, refuse)
	default:
		refuse(http.StatusNotFound, r.URL.Path)
	}
}

func (s *othersScanner) report(w http.ResponseWriter, r *http.Request, id string, refuse func(int, string)) {
	asked, ok := s.scans[id]
	s.asked++
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		return
	case r.Header.Get("Accept") != vulnReport || len(asked.Capabilities) != 1 || asked.Capabilities[0].Type != "vulnerability":
		refuse(http.StatusNotImplemented, "no such report: "+r.Header.Get("Accept"))
		return
	case s.fails:
		refuse(http.StatusInternalServerError, "the scanner fell over")
		return
	case asked.left > 0:
		asked.left--
		s.scans[id] = asked
		w.Header().Set("Location", r.URL.Path)
		w.Header().Set("Refresh-After", "1")
		w.WriteHeader(http.StatusFound)
		return
	}
	s.used = asked.Registry.Authorization
	text := s.pull(asked)
	w.Header().Set("Content-Type", vulnReport)
	flaw := `{"id":"CVE-2030-1","package":"hello","version":"1.0","fix_version":"1.1","severity":"Critical",` +
		`"description":"a flaw in hello\nand more","links":["https://example.com/1"],"preferred_cvss":{"score_v3":9.1},"vendor_attributes":{}}`
	if !strings.Contains(text, "hello 1.0") {
		flaw = ""
	}
	_, _ = fmt.Fprintf(w, `{"generated_at":"2026-11-28T10:00:00Z","artifact":{"repository":%q,"digest":%q},"scanner":{"name":"Looker",
		"vendor":"Example","version":"1.2"},"severity":"Critical","vulnerabilities":[%s]}`, asked.Artifact.Repository, asked.Artifact.Digest, flaw)
}

// pull pulls the image, as scanners do: by the address and the header that came along.
func (s *othersScanner) pull(asked scanOfOthers) string {
	s.t.Helper()
	get := func(repo, path string) (int, []byte) {
		req, err := http.NewRequestWithContext(s.t.Context(), "GET", asked.Registry.URL+"/v2/"+repo+path, nil)
		if err != nil {
			s.t.Error(err)
			return 0, nil
		}
		req.Header.Set("Authorization", asked.Registry.Authorization)
		req.Header.Set("Accept", asked.Artifact.MimeType)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			s.t.Error(err)
			return 0, nil
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			s.t.Error(err)
		}
		return resp.StatusCode, body
	}
	code, body := get(asked.Artifact.Repository, "/manifests/"+asked.Artifact.Digest)
	var m struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal(body, &m); code != 200 || err != nil || len(m.Layers) != 1 {
		s.t.Errorf("the scanner pulls: %d %s", code, body)
		return ""
	}
	code, layer := get(asked.Artifact.Repository, "/blobs/"+m.Layers[0].Digest)
	if code != 200 {
		s.t.Errorf("the scanner pulls a layer: %d %s", code, layer)
	}
	// What it is not given it does not get: another image that is kept back, another repository, to push.
	if code, _ := get(asked.Artifact.Repository, "/manifests/other"); code != 403 {
		s.t.Errorf("the scanner pulls another image that is kept back: %d", code)
	}
	if code, _ := get("team/else", "/tags/list"); code != 403 {
		s.t.Errorf("the scanner looks at another repository: %d", code)
	}
	return string(layer)
}

// TestScannersOfOthers has images scanned by a scanner that is not the registry's, in a
// project that keeps back what was not scanned.
func TestScannersOfOthers(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	looker := &othersScanner{t: t, scans: map[string]scanOfOthers{}, pending: 1}
	at := httptest.NewServer(looker)
	t.Cleanup(at.Close)
	step := func(want string, code int, stdin string, args ...string) {
		t.Helper()
		out, errs, got := here(t, stdin, append(append([]string{"scan"}, args...), "--root", p.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("registry scan %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
	}
	step("", 0, adapterKey, "scanner", "add", "looker", at.URL+"/base/", "--auth", "api-key", "--credential-stdin",
		"--registry", "http://"+p.Address)
	step("looker answers: Example Looker 1.2", 0, "", "scanner", "test", "looker")
	pushImage(t, p, "team/else", "v1", layerOf(t, "x", "x"))
	step("", 0, "", "gate", "set", "team", "--scanner", "looker", "--severity", "high", "--unscanned", "block", "--scan-on-push=false")
	dgst := pushImage(t, p, "team/app", "v1", layerOf(t, "packages", "hello 1.0"))
	pushImage(t, p, "team/app", "other", layerOf(t, "packages", "hello 2.0"))
	step("", 0, "", "run", "--wait", "team/app:v1")
	step("scanned by looker, 1 vulnerability, 1 critical; it is kept back", 0, "", "show", "team/app:v1")
	step("CVE-2030-1 Critical hello 1.0 1.1 a flaw in hello", 0, "", "show", "team/app:v1", "--format",
		"{{.ID}} {{.Severity}} {{.Package}} {{.Version}} {{.Fixed}} {{.Title}}")
	if code, _, body := p.do("GET", "/api/v1/sboms/team/app:v1", nil); code != 404 || !strings.Contains(string(body), "was not read by the registry") {
		t.Errorf("a bill of what the registry did not read: %d %s", code, body)
	}
	if code, _, body := p.do("GET", "/v2/team/app/manifests/"+dgst, nil); code != 403 || !strings.Contains(string(body), "CVE-2030-1") {
		t.Errorf("a pull of what it found bad: %d %s", code, body)
	}
	// The account went with the scan, and what it pulled counts for nobody.
	gone := func() bool {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+p.Address+"/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", looker.used)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusUnauthorized
	}
	eventually(t, "the scanner's account is gone", gone)
	if out, _, _ := here(t, "", "audit", "list", "--action", "manifest.pull", "--root", p.root); strings.Contains(out, "scan-") {
		t.Errorf("a scan is a pull:\n%s", out)
	}
	// A database of the registry's own does not touch what the other scanner said.
	file := filepath.Join(t.TempDir(), "osv.json")
	if err := os.WriteFile(file, []byte(flaws), 0o600); err != nil {
		t.Fatal(err)
	}
	step("", 0, "", "db", "import", file)
	eventually(t, "the database is matched", func() bool {
		out, _, _ := here(t, "", "job", "list", "--kind", "scan-match", "--root", p.root)
		return strings.Contains(out, "done")
	})
	step("scanned by looker, 1 vulnerability", 0, "", "show", "team/app:v1")
	looker.mu.Lock()
	looker.fails = true
	looker.mu.Unlock()
	step("the scanner fell over", 1, "", "run", "--wait", "team/app:other")
	step("could not be scanned: scanner "+at.URL+"/base answers 500", 0, "", "show", "team/app:other")
	step("chosen by the projects team", 1, "", "scanner", "rm", "looker")
	step("", 0, "", "gate", "set", "team", "--scanner", "built-in")
	step("", 0, "", "run", "--wait", "team/app:v1")
	step("0 packages, 0 vulnerabilities", 0, "", "show", "team/app:v1")
	step("", 0, "", "scanner", "rm", "looker")
}

// TestScannersThatHang keep nobody waiting but those who chose them, and are stopped.
func TestScannersThatHang(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir(), "--tls=off")
	var asked atomic.Int64
	over := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/api/v1/metadata" {
			<-over
			return
		}
		_, _ = fmt.Fprintf(w, `{"scanner":{"name":"Hangs"},"capabilities":[{"consumes_mime_types":[%q],"produces_mime_types":[%q]}]}`,
			ociManifest, vulnReport)
	}))
	t.Cleanup(func() { close(over); hangs.Close() })
	step := func(want string, args ...string) string {
		t.Helper()
		out, errs, code := here(t, "", append(args, "--root", p.root)...)
		if code != 0 || !strings.Contains(out+errs, want) {
			t.Fatalf("registry %s: %d, want %q\n%s%s", strings.Join(args, " "), code, want, out, errs)
		}
		return strings.TrimSpace(out)
	}
	step("", "scan", "scanner", "add", "hangs", hangs.URL)
	pushImage(t, p, "slow/app", "v1", layerOf(t, "a", "a"))
	pushImage(t, p, "quick/app", "v1", layerOf(t, "b", "b"))
	step("", "scan", "gate", "set", "slow", "--scanner", "hangs")
	step("", "scan", "run", "slow/app:v1")
	eventually(t, "the scanner is asked", func() bool { return asked.Load() >= 2 })
	step("", "scan", "run", "--wait", "quick/app:v1") // by the registry's own, meanwhile
	step("0 packages", "scan", "show", "quick/app:v1")
	job := step("", "job", "ls", "--kind", "scan-other", "--state", "running", "--format", "{{.ID}}")
	step("", "job", "stop", job)
	eventually(t, "the scan is stopped", func() bool {
		out, _, _ := here(t, "", "job", "show", job, "--root", p.root)
		return strings.Contains(out, "stopped")
	})
	if out, _, _ := here(t, "", "robot", "list", "--project", "slow", "--root", p.root); strings.Contains(out, "scan-") {
		t.Errorf("the account of a scan that was stopped stays:\n%s", out)
	}
}
