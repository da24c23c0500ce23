package manifest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/manifest"
	"cove/errdefs"
)

func desc(mediaType, text string, extra ...string) string {
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, mediaType, digest.FromString(text), len(text), strings.Join(extra, ""))
}

var (
	config = desc(ocispec.MediaTypeImageConfig, "config")
	layer  = desc(ocispec.MediaTypeImageLayerGzip, "layer")
	child  = desc(ocispec.MediaTypeImageManifest, "child")
	image  = `{"schemaVersion":2,"config":` + config + `,"layers":[` + layer + `,` + layer + `]}`
	index  = `{"schemaVersion":2,"manifests":[` + child + `]}`
)

func TestParse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ header, body, want string }{
		"image":               {"", image, ocispec.MediaTypeImageManifest},
		"image, header":       {ocispec.MediaTypeImageManifest, image, ocispec.MediaTypeImageManifest},
		"header's parameters": {ocispec.MediaTypeImageManifest + "; charset=utf-8", image, ocispec.MediaTypeImageManifest},
		"docker":              {manifest.DockerManifest, image, manifest.DockerManifest},
		"curl":                {"application/x-www-form-urlencoded", image, ocispec.MediaTypeImageManifest},
		"index":               {"", index, ocispec.MediaTypeImageIndex},
		"docker list":         {manifest.DockerManifestList, index, manifest.DockerManifestList},
		"empty index":         {"", `{"schemaVersion":2,"manifests":[]}`, ocispec.MediaTypeImageIndex},
		"null layers":         {"", `{"schemaVersion":2,"config":` + config + `,"layers":null}`, ocispec.MediaTypeImageManifest},
		"artifact":            {manifest.ArtifactManifest, `{"mediaType":"` + manifest.ArtifactManifest + `","blobs":[` + layer + `]}`, manifest.ArtifactManifest},
		"unknown keys":        {"", strings.Replace(image, "{", `{"x-mine":{"layers":[1]},"annotations":{"a":"b","A":"c"},`, 1), ocispec.MediaTypeImageManifest},
		"embedded data":       {"", `{"schemaVersion":2,"config":` + desc("x/y", "{}", `,"data":"e30="`) + `,"layers":[]}`, ocispec.MediaTypeImageManifest},
	} {
		m, err := manifest.Parse(tc.header, []byte(tc.body))
		if err != nil || m.MediaType != tc.want {
			t.Errorf("%s: %+v, %v; want %s", name, m, err, tc.want)
		}
	}
}

// TestConfusion is the T25 corpus: documents that two readers could read
// differently, and ones that are not what they say.
func TestConfusion(t *testing.T) {
	t.Parallel()
	with := func(doc, keys string) string { return strings.Replace(doc, "{", "{"+keys+",", 1) }
	bad := map[string][2]string{
		"layers and manifests":     {"", with(image, `"manifests":[]`)},
		"manifests and layers":     {"", with(index, `"layers":[]`)},
		"manifests and config":     {"", with(index, `"config":`+config)},
		"manifests and blobs":      {"", with(index, `"blobs":[]`)},
		"layers and blobs":         {"", with(image, `"blobs":[]`)},
		"index by header":          {ocispec.MediaTypeImageIndex, image},
		"image by header":          {ocispec.MediaTypeImageManifest, index},
		"two types":                {ocispec.MediaTypeImageManifest, with(image, `"mediaType":"`+manifest.DockerManifest+`"`)},
		"layers twice":             {"", with(image, `"layers":[]`)},
		"layers twice, other case": {"", with(image, `"Layers":[]`)},
		"config twice":             {"", with(image, `"config":`+layer)},
		"mediaType twice":          {"", with(image, `"mediaType":"a","mediaType":"b"`)},
		"digest twice in a layer":  {"", strings.Replace(image, `"digest"`, `"digest":"`+digest.FromString("x").String()+`","digest"`, 1)},
		"digest twice, other case": {"", strings.Replace(image, `"digest"`, `"Digest":"`+digest.FromString("x").String()+`","digest"`, 1)},
		"size twice in a child":    {"", strings.Replace(index, `"size"`, `"size":1,"SIZE"`, 1)},
		"escaped key":              {"", with(image, `"\u006cayers":[]`)},
		"schema 1":                 {"", `{"schemaVersion":1,"fsLayers":[],"history":[]}`},
		"schema 1 by header":       {"application/vnd.docker.distribution.manifest.v1+prettyjws", image},
		"schema 1 in schema 2":     {"", with(image, `"fsLayers":[]`)},
		"schema 3":                 {"", strings.Replace(image, "2", "3", 1)},
		"no schema":                {"", `{"config":` + config + `,"layers":[]}`},
		"unknown type":             {"application/vnd.unknown+json", image},
		"a page":                   {"text/html", image},
		"no config":                {"", `{"schemaVersion":2,"layers":[]}`},
		"no layers":                {"", `{"schemaVersion":2,"config":` + config + `}`},
		"nothing":                  {"", ``},
		"empty object":             {"", `{}`},
		"array":                    {"", `[]`},
		"null":                     {"", `null`},
		"two documents":            {"", image + image},
		"text after":               {"", image + "x"},
		"bad digest":               {"", strings.Replace(image, "sha256:", "sha256:zz", 1)},
		"short digest":             {"", `{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:abc","size":1},"layers":[]}`},
		"md5":                      {"", `{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"md5:d41d8cd98f00b204e9800998ecf8427e","size":1},"layers":[]}`},
		"path as digest":           {"", `{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:../../../../etc/passwd","size":1},"layers":[]}`},
		"no digest":                {"", `{"schemaVersion":2,"config":{"mediaType":"a/b","size":1},"layers":[]}`},
		"negative size":            {"", strings.Replace(image, `"size":6`, `"size":-6`, 1)},
		"fractional size":          {"", strings.Replace(image, `"size":6`, `"size":6.5`, 1)},
		"huge size":                {"", strings.Replace(image, `"size":6`, `"size":99999999999999999999`, 1)},
		"size as text":             {"", strings.Replace(image, `"size":6`, `"size":"6"`, 1)},
		"no media type in a layer": {"", strings.Replace(image, ocispec.MediaTypeImageLayerGzip, "", 1)},
		"bad subject":              {"", with(image, `"subject":{"digest":"x"}`)},
		"embedded data is another": {"", `{"schemaVersion":2,"config":` + desc("x/y", "{}", `,"data":"W10="`) + `,"layers":[]}`},
		"embedded data too long":   {"", `{"schemaVersion":2,"config":` + desc("x/y", "{}", `,"data":"e30g"`) + `,"layers":[]}`},
		"deep":                     {"", with(image, `"x":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000))},
		"layers an object":         {"", `{"schemaVersion":2,"config":` + config + `,"layers":{}}`},
	}
	for name, in := range bad {
		m, err := manifest.Parse(in[0], []byte(in[1]))
		if !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %+v, %v; want kind invalid", name, m, err)
		}
		if err != nil && (strings.ContainsAny(err.Error(), "\n") || len(err.Error()) > 300) {
			t.Errorf("%s: the message is long: %v", name, err)
		}
	}
	t.Logf("%d documents, all refused", len(bad))
}

func TestBlobs(t *testing.T) {
	t.Parallel()
	foreign := desc("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "foreign", `,"urls":["https://x/y"]`)
	pushed := desc("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "pushed")
	body := `{"schemaVersion":2,"config":` + config + `,"layers":[` + strings.Join([]string{layer, foreign, layer, pushed}, ",") + `]}`
	m, err := manifest.Parse("", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range m.Blobs() {
		got = append(got, d.Digest.String())
	}
	want := []string{digest.FromString("config").String(), digest.FromString("layer").String(), digest.FromString("pushed").String()}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Blobs = %v, want %v", got, want)
	}
	if m.ArtifactType != ocispec.MediaTypeImageConfig {
		t.Errorf("ArtifactType = %q", m.ArtifactType)
	}
}

// FuzzParse: what is accepted has checked references, and says the same when
// it is read again by its own type.
func FuzzParse(f *testing.F) {
	for _, s := range []string{image, index, "{}", `{"schemaVersion":2,"manifests":[` + child + `],"subject":` + child + `}`} {
		f.Add("", s)
		f.Add(ocispec.MediaTypeImageManifest, s)
	}
	f.Fuzz(func(t *testing.T, header, body string) {
		m, err := manifest.Parse(header, []byte(body))
		if err != nil {
			if !errors.Is(err, errdefs.ErrInvalid) {
				t.Errorf("kind of %v", err)
			}
			return
		}
		if !json.Valid([]byte(body)) || len(m.Layers) > 0 && len(m.Manifests) > 0 {
			t.Errorf("accepted %q", body)
		}
		for _, d := range append(append(m.Blobs(), m.Manifests...), m.Layers...) {
			if d.Digest.Validate() != nil || d.Size < 0 || strings.Contains(d.Digest.Encoded(), "/") {
				t.Errorf("descriptor %+v", d)
			}
		}
		if again, err := manifest.Parse(m.MediaType, []byte(body)); err != nil || again.MediaType != m.MediaType {
			t.Errorf("read again: %v", err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := manifest.Parse("", []byte(image)); err != nil {
			b.Fatal(err)
		}
	}
}
