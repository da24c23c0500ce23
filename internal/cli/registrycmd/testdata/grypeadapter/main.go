// Command grypeadapter is a server that speaks version 1 of Harbor's API of pluggable
// scanners, and has grype do the work: it pulls the image with the account that comes
// with the request.
//
//	grypeadapter GRYPE ADDRESS-FILE
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	reportType   = "application/vnd.security.vulnerability.report; version=1.1"
	metadataType = "application/vnd.scanner.adapter.metadata+json; version=1.1"
	acceptedType = "application/vnd.scanner.adapter.scan.response+json; version=1.0"
	errorType    = "application/vnd.scanner.adapter.error+json; version=1.0"
)

var consumed = []string{
	"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json",
}

func main() {
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(grype, addressFile string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := os.WriteFile(addressFile, []byte("http://"+l.Addr().String()), 0o600); err != nil {
		return err
	}
	a := &adapter{grype: grype, scans: map[string]*scan{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/metadata", a.metadata)
	mux.HandleFunc("POST /api/v1/scan", a.begin)
	mux.HandleFunc("GET /api/v1/scan/{id}/report", a.report)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.Serve(l)
}

type adapter struct {
	grype string
	mu    sync.Mutex
	scans map[string]*scan
}

// scan is one that was asked for, and what came of it once done is closed.
type scan struct {
	request
	done   chan struct{}
	report []byte
	err    error
}

type request struct {
	Registry struct {
		URL           string `json:"url"`
		Authorization string `json:"authorization"`
	} `json:"registry"`
	Artifact struct {
		Repository string `json:"repository"`
		Digest     string `json:"digest"`
		MediaType  string `json:"mime_type"`
	} `json:"artifact"`
}

func answer(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, why error) {
	answer(w, status, errorType, map[string]any{"error": map[string]string{"message": why.Error()}})
}

func (a *adapter) metadata(w http.ResponseWriter, r *http.Request) {
	out, err := exec.CommandContext(r.Context(), a.grype, "version", "-o", "json").Output()
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	var said struct {
		Version string `json:"version"`
	}
	_ = json.Unmarshal(out, &said)
	answer(w, http.StatusOK, metadataType, map[string]any{
		"scanner": map[string]string{"name": "Grype", "vendor": "Anchore", "version": said.Version},
		"capabilities": []any{map[string]any{
			"type": "vulnerability", "consumes_mime_types": consumed, "produces_mime_types": []string{reportType},
		}},
		"properties": map[string]string{"harbor.scanner-adapter/scanner-type": "os-package-vulnerability"},
	})
}

func (a *adapter) begin(w http.ResponseWriter, r *http.Request) {
	s := &scan{done: make(chan struct{})}
	err := json.NewDecoder(r.Body).Decode(&s.request)
	if err != nil || s.Registry.URL == "" || s.Artifact.Digest == "" {
		refuse(w, http.StatusUnprocessableEntity, fmt.Errorf("that is no request of a scan: %v", err))
		return
	}
	a.mu.Lock()
	id := fmt.Sprint("scan-", len(a.scans)+1)
	a.scans[id] = s
	a.mu.Unlock()
	go func() {
		defer close(s.done)
		s.report, s.err = s.run(a.grype)
	}()
	answer(w, http.StatusAccepted, acceptedType, map[string]string{"id": id})
}

func (a *adapter) report(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	s := a.scans[r.PathValue("id")]
	a.mu.Unlock()
	if s == nil {
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no scan %q", r.PathValue("id")))
		return
	}
	select {
	case <-s.done:
	default:
		w.Header().Set("Refresh-After", "1")
		w.Header().Set("Location", r.URL.Path)
		w.WriteHeader(http.StatusFound)
		return
	}
	if s.err != nil {
		refuse(w, http.StatusInternalServerError, s.err)
		return
	}
	w.Header().Set("Content-Type", reportType)
	_, _ = w.Write(s.report)
}

// found is what grype says of an image.
type found struct {
	Matches []struct {
		Vulnerability struct {
			ID, Severity, Description, DataSource string
			Fix                                   struct{ Versions []string }
			CVSS                                  []struct {
				Version string
				Metrics struct{ BaseScore float64 }
			}
		}
		RelatedVulnerabilities []struct{ ID string }
		Artifact               struct{ Name, Version string }
	}
}

// run has grype pull the image and look at it.
func (s *scan) run(grype string) ([]byte, error) {
	scheme, host, _ := strings.Cut(s.Registry.URL, "://")
	word := strings.TrimPrefix(s.Registry.Authorization, "Basic ")
	account, err := base64.StdEncoding.DecodeString(word)
	if err != nil {
		return nil, fmt.Errorf("the account for pulls: %w", err)
	}
	user, password, _ := strings.Cut(string(account), ":")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	image := "registry:" + host + "/" + s.Artifact.Repository + "@" + s.Artifact.Digest
	cmd := exec.CommandContext(ctx, grype, image, "-o", "json")
	cmd.Env = append(os.Environ(), "GRYPE_REGISTRY_AUTH_AUTHORITY="+host, "GRYPE_REGISTRY_AUTH_USERNAME="+user,
		"GRYPE_REGISTRY_AUTH_PASSWORD="+password, fmt.Sprint("GRYPE_REGISTRY_INSECURE_USE_HTTP=", scheme == "http"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("grype: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	var got found
	if err := json.Unmarshal(out, &got); err != nil {
		return nil, fmt.Errorf("grype: %w", err)
	}
	return json.Marshal(s.tell(got))
}

// tell is a report in Harbor's form.
func (s *scan) tell(got found) map[string]any {
	flaws := []any{}
	for _, m := range got.Matches {
		v := m.Vulnerability
		id := v.ID
		for _, r := range m.RelatedVulnerabilities { // a CVE is what everybody knows it by
			if strings.HasPrefix(r.ID, "CVE-") && !strings.HasPrefix(id, "CVE-") {
				id = r.ID
			}
		}
		flaw := map[string]any{
			"id": id, "package": m.Artifact.Name, "version": m.Artifact.Version, "severity": v.Severity,
			"fix_version": strings.Join(v.Fix.Versions, ", "), "description": v.Description,
			"links": []string{v.DataSource},
		}
		for _, c := range v.CVSS {
			if strings.HasPrefix(c.Version, "3") {
				flaw["preferred_cvss"] = map[string]any{"score_v3": c.Metrics.BaseScore}
			}
		}
		flaws = append(flaws, flaw)
	}
	return map[string]any{
		"generated_at": time.Now().UTC().Format(time.RFC3339), "artifact": s.Artifact,
		"scanner": map[string]string{"name": "Grype", "vendor": "Anchore", "version": "1"}, "vulnerabilities": flaws,
	}
}
