package bill_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/bill"
	"cove/builder/export"
	"cove/content"
	"cove/content/memstore"
	"cove/errdefs"
	"cove/layers"
)

// layer stores a layer of these files.
func layer(t *testing.T, to content.Ingester, files map[string]string) layers.Layer {
	t.Helper()
	var text bytes.Buffer
	tw := tar.NewWriter(&text)
	for name, body := range files {
		err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	desc := ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(text.Bytes()), Size: int64(text.Len()),
	}
	if err := content.WriteBlob(t.Context(), to, desc, &text); err != nil {
		t.Fatal(err)
	}
	return layers.Layer{Blob: desc, DiffID: layers.DiffID(desc.Digest)}
}

const status = "Package: libssl3\nStatus: install ok installed\nVersion: 3.0.11-1\nArchitecture: amd64\nSource: openssl\n\n"

// TestAttest: what layers together hold is in the document, which names the image; a
// layer that was read is not read again.
func TestAttest(t *testing.T) {
	t.Parallel()
	blobs := memstore.New(time.Now)
	all := []layers.Layer{
		layer(t, blobs, map[string]string{
			"var/lib/dpkg/status": status, "etc/os-release": "ID=debian\nVERSION_ID=\"12\"\n",
		}),
		layer(t, blobs, map[string]string{
			"app/node_modules/x/package.json": `{"name":"x","version":"1.2.3","license":"MIT"}`,
		}),
	}
	dir := filepath.Join(t.TempDir(), "inventories")
	about := export.Subject{
		Names: []string{"reg.example.com/team/app:v1"}, Created: time.Unix(1700000000, 0),
		Manifest: ocispec.Descriptor{Digest: digest.FromString("manifest")},
	}
	first := document(t, bill.Scanner{Content: blobs, Dir: dir}, all, about)
	var doc struct {
		SpdxVersion, Name string
		Packages          []struct{ Name, VersionInfo string }
	}
	if err := json.Unmarshal(first, &doc); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, p := range doc.Packages {
		versions[p.Name] = p.VersionInfo
	}
	if doc.SpdxVersion != "SPDX-2.3" || versions["libssl3"] != "3.0.11-1" || versions["x"] != "1.2.3" ||
		doc.Name != "team/app@"+about.Manifest.Digest.String() {
		t.Fatalf("%s", first)
	}
	kept := document(t, bill.Scanner{Content: memstore.New(time.Now), Dir: dir}, all, about)
	if !bytes.Equal(first, kept) {
		t.Errorf("from what is kept it differs:\n%s", kept)
	}
	damaged, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(damaged) != len(all) {
		t.Fatal(damaged, err)
	}
	for _, name := range damaged {
		if err := os.Truncate(name, 1); err != nil {
			t.Fatal(err)
		}
	}
	if again := document(t, bill.Scanner{Content: blobs, Dir: dir}, all, about); !bytes.Equal(first, again) {
		t.Errorf("what a power cut leaves counts:\n%s", again)
	}
	other := layer(t, memstore.New(time.Now), map[string]string{"a": "b"})
	_, err = bill.Scanner{Content: blobs, Dir: dir}.Attest(t.Context(), []layers.Layer{other})
	if !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a layer that is not there: %v", err)
	}
}

func document(t *testing.T, s bill.Scanner, all []layers.Layer, about export.Subject) json.RawMessage {
	t.Helper()
	doc, err := s.Attest(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	if doc.Type != "https://spdx.dev/Document" {
		t.Error(doc.Type)
	}
	text, err := doc.About(about)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestWhatBuildKitScansBesides is refused, by the name that asks for it.
func TestWhatBuildKitScansBesides(t *testing.T) {
	t.Parallel()
	for value, refused := range map[string]bool{
		"": false, "false": false, "0": false, "true": true, "base,build": true,
	} {
		err := bill.CheckArgs(map[string]string{"BUILDKIT_SBOM_SCAN_STAGE": value, "OTHER": "true"})
		if errors.Is(err, errdefs.ErrUnsupported) != refused {
			t.Errorf("%q: %v", value, err)
		}
	}
	if err := bill.CheckOptions(nil); err != nil {
		t.Error(err)
	}
}
