package compare_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/errdefs"
	"cove/images/compare"
	"cove/layers"
)

// store stores bytes as a layer.
func store(t *testing.T, to content.Ingester, text []byte) layers.Layer {
	t.Helper()
	desc := ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(text), Size: int64(len(text)),
	}
	if err := content.WriteBlob(t.Context(), to, desc, bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return layers.Layer{Blob: desc, DiffID: layers.DiffID(desc.Digest)}
}

// entry is a header, with the bytes of a regular file in Linkname.
type entry = tar.Header

func layer(t *testing.T, to content.Ingester, entries ...entry) layers.Layer {
	t.Helper()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, h := range entries {
		body := ""
		if h.Typeflag == 0 {
			h.Typeflag, body, h.Linkname = tar.TypeReg, h.Linkname, ""
			h.Size = int64(len(body))
		}
		h.Format = tar.FormatPAX
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return store(t, to, out.Bytes())
}

func dir(name string) entry { return entry{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }

// TestLayersOnLayers: what is added, hidden and replaced by layers above, in any of the
// forms that a layer has for it.
func TestLayersOnLayers(t *testing.T) {
	t.Parallel()
	blobs := memstore.New(time.Now)
	base := layer(t, blobs, dir("etc/"), entry{Name: "etc/a", Linkname: "a"}, entry{Name: "etc/b", Linkname: "b"},
		dir("opt"), entry{Name: "opt/x/y", Linkname: "y"}, dir("dir"), entry{Name: "dir/in", Linkname: "in"},
		entry{Name: "etcetera", Linkname: "e"}, entry{Name: "linked", Typeflag: tar.TypeLink, Linkname: "etc/a"})
	upper := layer(t, blobs,
		entry{Name: "./etc/.wh.a"}, entry{Name: "etc/a", Linkname: "again"}, // hidden below, and made again
		entry{Name: "opt/new", Linkname: "n"}, entry{Name: "opt/.wh..wh..opq"},
		entry{Name: "dir", Linkname: "a file now"}, entry{Name: ".wh..wh.plnk"},
		entry{Name: "more", Typeflag: tar.TypeLink, Linkname: "etc/b"})
	files, err := compare.Images(t.Context(), blobs, []layers.Layer{base}, []layers.Layer{base, upper})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range (compare.Options{}).Files(files[0], files[1]) {
		line := string(c.Kind) + " " + c.Path
		for _, d := range c.Details {
			line += " " + d.What
		}
		got = append(got, line)
	}
	want := []string{
		"C /dir type mode size", "D /dir/in", "C /etc/a size", "A /more", "A /opt/new", "D /opt/x/y",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f := files[1]["linked"]; f.Digest != digest.FromString("a") {
		t.Errorf("a hard link lost its bytes: %+v", f)
	}
}

// TestDetails: each thing in which a file can differ is told, and nothing else.
func TestDetails(t *testing.T) {
	t.Parallel()
	blobs := memstore.New(time.Now)
	day := time.Unix(1700000000, 0)
	attribute := map[string]string{"SCHILY.xattr.user.k": "v\n"}
	one := layer(t, blobs,
		entry{Name: "bytes", Linkname: "abc"}, entry{Name: "mode", Linkname: "m", Mode: 0o4755}, entry{Name: "owner"},
		entry{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "a"}, entry{Name: "time", ModTime: day},
		entry{Name: "dev", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}, entry{Name: "attribute"},
		entry{Name: "same", Linkname: "same", PAXRecords: attribute})
	two := layer(
		t,
		blobs,
		entry{
			Name:     "bytes",
			Linkname: "abd",
		},
		entry{Name: "mode", Linkname: "m", Mode: 0o1700},
		entry{Name: "owner", Uid: 5},
		entry{
			Name:     "link",
			Typeflag: tar.TypeSymlink,
			Linkname: "b",
		},
		entry{Name: "time", ModTime: day.Add(time.Hour)},
		entry{Name: "dev", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5},
		entry{Name: "attribute", PAXRecords: attribute},
		entry{Name: "same", Linkname: "same", PAXRecords: attribute},
	)
	files, err := compare.Images(t.Context(), blobs, []layers.Layer{one}, []layers.Layer{two})
	if err != nil {
		t.Fatal(err)
	}
	told := func(o compare.Options) (all []string) {
		for _, c := range o.Files(files[0], files[1]) {
			for _, d := range c.Details {
				all = append(all, strings.Join([]string{c.Path, d.What, d.Before, d.After}, " "))
			}
		}
		return all
	}
	sum := func(text string) string { return digest.FromString(text).Encoded()[:12] }
	want := []string{
		`/attribute attribute user.k  "v\n"`, "/bytes content " + sum("abc") + " " + sum("abd"), "/dev device 1:3 1:5",
		"/link link a b", "/mode mode 4755 1700", "/owner owner 0:0 5:0",
	}
	if diff := cmp.Diff(want, told(compare.Options{})); diff != "" {
		t.Error(diff)
	}
	want = append(want, "/time time 2023-11-14T22:13:20Z 2023-11-14T23:13:20Z")
	if diff := cmp.Diff(want, told(compare.Options{Times: true})); diff != "" {
		t.Error(diff)
	}
	if text, err := json.Marshal(files[0]["mode"]); err != nil || !strings.Contains(string(text), `"mode":"4755"`) {
		t.Errorf("%s %v", text, err)
	}
}

func TestConfigs(t *testing.T) {
	t.Parallel()
	got, err := compare.Configs(
		[]byte(
			`{"architecture":"amd64","created":"a","config":{"Env":["A=1","B=2"],"Cmd":["x"],"Labels":{"l":"1"},"User":""}}`,
		),
		[]byte(`{"architecture":"arm64","created":"b","config":{"Env":["B=2","A=3"],"Cmd":["y"],"WorkingDir":"/w"}}`),
	)
	want := []compare.Detail{
		{What: "Architecture", Before: "amd64", After: "arm64"},
		{What: "Cmd", Before: `["x"]`, After: `["y"]`},
		{What: "Env A", Before: "1", After: "3"},
		{What: "Label l", Before: "1"},
		{What: "WorkingDir", After: `"/w"`},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := compare.Configs([]byte("{"), []byte("{}")); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Error(err)
	}
}

func TestWhatIsNoLayer(t *testing.T) {
	t.Parallel()
	blobs := memstore.New(time.Now)
	odd := store(t, blobs, bytes.Repeat([]byte("no tar "), 200))
	if _, err := compare.Images(t.Context(), blobs, []layers.Layer{odd}); !errors.Is(err, errdefs.ErrCorrupt) {
		t.Errorf("no tar: %v", err)
	}
	whiteout := layer(t, blobs, entry{Name: "a/.wh..."})
	if _, err := compare.Images(t.Context(), blobs, []layers.Layer{whiteout}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("a whiteout of ..: %v", err)
	}
	gone := layers.Layer{Blob: ocispec.Descriptor{Digest: digest.FromString("gone")}}
	if _, err := compare.Images(t.Context(), blobs, []layers.Layer{gone}); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a layer that is not here: %v", err)
	}
}
