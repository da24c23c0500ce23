// Package webtest runs a whole registry for tests of its pages, fills it by the
// protocol as a client would, and looks at pages as a browser without scripts
// does.
package webtest

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/internal/strictyaml"
	"cove/registry/metadata/metadatatest"
	"cove/registry/server"
	"cove/registry/server/config"
)

// Password is that of the administrator, and of every user that Users makes.
const Password = "correct horse"

// Site is a running registry.
type Site struct {
	URL  string
	Root string
	dsn  string // of its database
}

// Start serves a registry until the test ends. It listens without TLS.
func Start(t testing.TB, cfg config.Config) *Site {
	t.Helper()
	t.Setenv(server.AdminPasswordEnv, Password)
	cfg.Root, cfg.Listen, cfg.TLS.Off, cfg.Log.Level = metadatatest.Dir(t)+"/registry", "127.0.0.1:0", true, "error"
	cfg.Drain = strictyaml.Duration(time.Second)
	s, err := server.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if witness != nil {
		watched(t, s.Address(), cfg)
	}
	return &Site{
		URL: "http://" + s.Address(), Root: cfg.Root, dsn: cmp.Or(cfg.Database, filepath.Join(cfg.Root, "registry.db")),
	}
}

// Image says what an image is to hold.
type Image struct {
	Layers      []map[string]string // files of each layer, by path
	Steps       []string            // what made each layer
	Config      ocispec.ImageConfig
	Annotations map[string]string
	Subject     *ocispec.Descriptor
	Type        string // artifact type
}

// Call is a request of the protocol.
type Call struct {
	Method, Path string
	Type         string // of Body
	Body         []byte
}

// Do sends a request as the administrator and returns the body of the answer, whose
// status must be want.
func (s *Site) Do(t testing.TB, c Call, want int) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), c.Method, s.URL+c.Path, bytes.NewReader(c.Body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("admin", Password)
	if c.Type != "" {
		r.Header.Set("Content-Type", c.Type)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: %d %s %v", c.Method, c.Path, resp.StatusCode, text, err)
	}
	return text
}

// API sends a request of the API by the administrator.
func (s *Site) API(t testing.TB, method, path, body string, want int) []byte {
	t.Helper()
	return s.Do(t, Call{method, "/api/v1" + path, "application/json", []byte(body)}, want)
}

// Status is what a request by a name and a password is answered.
func (s *Site) Status(t testing.TB, name, password, method, path string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.URL+path, strings.NewReader(`{"name":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(name, password)
	if strings.HasPrefix(path, "/api/") {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func (s *Site) blob(t testing.TB, repo, kind string, body []byte) ocispec.Descriptor {
	t.Helper()
	desc := ocispec.Descriptor{MediaType: kind, Digest: digest.FromBytes(body), Size: int64(len(body))}
	s.Do(t, Call{"POST", "/v2/" + repo + "/blobs/uploads/?digest=" + desc.Digest.String(), "application/octet-stream", body}, 201)
	return desc
}

func packed(t testing.TB, files map[string]string) (diffID digest.Digest, layer []byte) {
	t.Helper()
	var raw, out bytes.Buffer
	tw := tar.NewWriter(&raw)
	for _, name := range slices.Sorted(maps.Keys(files)) { // the same files are the same layer
		text := files[name]
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}
		if strings.HasSuffix(name, "/") {
			h.Mode, h.Size, h.Typeflag = 0o755, 0, tar.TypeDir
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(tw, text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	zw := gzip.NewWriter(&out)
	_, _ = zw.Write(raw.Bytes())
	_ = zw.Close()
	return digest.FromBytes(raw.Bytes()), out.Bytes()
}

// Push makes an image and pushes it under a tag, or by its digest when tag is "".
func (s *Site) Push(t testing.TB, repo, tag string, img Image) ocispec.Descriptor {
	t.Helper()
	about := ocispec.Image{Config: img.Config}
	about.OS, about.Architecture, about.RootFS.Type = "linux", "amd64", "layers"
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Annotations: img.Annotations, Subject: img.Subject, ArtifactType: img.Type,
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, files := range img.Layers {
		diffID, layer := packed(t, files)
		about.RootFS.DiffIDs = append(about.RootFS.DiffIDs, diffID)
		m.Layers = append(m.Layers, s.blob(t, repo, ocispec.MediaTypeImageLayerGzip, layer))
		step := "COPY . ."
		if i < len(img.Steps) {
			step = img.Steps[i]
		}
		about.History = append(about.History, ocispec.History{Created: &at, CreatedBy: step})
	}
	about.History = append(about.History, ocispec.History{Created: &at, CreatedBy: `CMD ["/app"]`, EmptyLayer: true})
	if m.Layers == nil {
		m.Layers = []ocispec.Descriptor{s.blob(t, repo, ocispec.MediaTypeImageLayer, make([]byte, 1024))}
	}
	m.Config = s.blob(t, repo, ocispec.MediaTypeImageConfig, encoded(t, about))
	return s.Manifest(t, repo, tag, m.MediaType, encoded(t, m))
}

// Manifest pushes a manifest.
func (s *Site) Manifest(t testing.TB, repo, tag, kind string, body []byte) ocispec.Descriptor {
	t.Helper()
	desc := ocispec.Descriptor{MediaType: kind, Digest: digest.FromBytes(body), Size: int64(len(body))}
	if tag == "" {
		tag = desc.Digest.String()
	}
	s.Do(t, Call{"PUT", "/v2/" + repo + "/manifests/" + tag, kind, body}, 201)
	return desc
}

// Index pushes an index of manifests.
func (s *Site) Index(t testing.TB, repo, tag string, manifests ...ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	return s.Manifest(t, repo, tag, ocispec.MediaTypeImageIndex, encoded(t, ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests,
	}))
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Visitor is a browser without scripts.
type Visitor struct {
	t    testing.TB
	site *Site
	http *http.Client
	// Last is the answer that was looked at last, and Body its text.
	Last *http.Response
	Body string
}

// Visitor returns one who is not signed in.
func (s *Site) Visitor(t testing.TB) *Visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Visitor{t: t, site: s, http: &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// As signs a visitor in.
func (s *Site) As(t testing.TB, name string) *Visitor {
	t.Helper()
	v := s.Visitor(t)
	v.Get("/sign-in", 200)
	v.Post("/sign-in", url.Values{"name": {name}, "password": {Password}}, 303)
	return v
}

// Get asks for a page, whose status must be want.
func (v *Visitor) Get(path string, want int) string {
	v.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), "GET", v.site.URL+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	v.Send(r)
	if v.Last.StatusCode != want {
		v.t.Errorf("GET %s: %d, want %d\n%s", path, v.Last.StatusCode, want, v.Body)
	}
	return v.Body
}

// Send sends any request.
func (v *Visitor) Send(r *http.Request) {
	v.t.Helper()
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "text/html")
	}
	resp, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	v.Last = resp
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		v.Body = string(body)
	}
}

var token = regexp.MustCompile(`name="form_token" value="([^"]*)"`)

// Token is what the forms of the page that was seen last send back.
func (v *Visitor) Token() string {
	v.t.Helper()
	m := token.FindStringSubmatch(v.Body)
	if m == nil {
		v.t.Fatalf("the last page has no form: %s", v.Body)
	}
	return html.UnescapeString(m[1])
}

// Post sends a form of the page that was seen last.
func (v *Visitor) Post(path string, form url.Values, want int) string {
	v.t.Helper()
	form.Set("form_token", v.Token())
	r, err := http.NewRequestWithContext(context.Background(), "POST", v.site.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", v.site.URL)
	v.Send(r)
	if v.Last.StatusCode != want {
		v.t.Errorf("POST %s: %d, want %d\n%s", path, v.Last.StatusCode, want, v.Body)
	}
	return v.Body
}

// Follow goes to where the last answer sent.
func (v *Visitor) Follow(want int) string {
	v.t.Helper()
	return v.Get(v.Last.Header.Get("Location"), want)
}

// Cookie is what the browser holds under a name; "" if nothing.
func (v *Visitor) Cookie(name string) string {
	u, err := url.Parse(v.site.URL)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range v.http.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// SetCookie puts a cookie into the browser.
func (v *Visitor) SetCookie(name, value string) {
	u, err := url.Parse(v.site.URL)
	if err != nil {
		v.t.Fatal(err)
	}
	v.http.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// Users makes accounts, by the pages, as the administrator.
func (s *Site) Users(t testing.TB, names ...string) {
	t.Helper()
	admin := s.As(t, "admin")
	for _, name := range names {
		admin.Get("/users", 200)
		admin.Post("/users", url.Values{"name": {name}, "password": {Password}}, 303)
	}
}

// PasswordLink is the path of a link by which a user sets a password.
func (s *Site) PasswordLink(t testing.TB, user string) string {
	t.Helper()
	var link struct{ Path string }
	if err := json.Unmarshal(s.API(t, http.MethodPost, "/users/"+user+"/password-link", "{}", 201), &link); err != nil {
		t.Fatal(err)
	}
	return link.Path
}

// Project makes a project, by the pages, with members by role.
func (s *Site) Project(t testing.TB, name string, public bool, members map[string]string) {
	t.Helper()
	admin := s.As(t, "admin")
	admin.Get("/projects", 200)
	admin.Post("/projects", url.Values{"name": {name}, "public": {map[bool]string{true: "1"}[public]}}, 303)
	for user, role := range members {
		admin.Get("/projects/"+name+"/members", 200)
		admin.Post("/projects/"+name+"/members", url.Values{"user": {user}, "role": {role}}, 303)
	}
}

// String names the site in failures.
func (s *Site) String() string { return fmt.Sprintf("registry at %s", s.URL) }
