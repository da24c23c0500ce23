package api_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// tarred is an archive of entries, which hold their own names.
func tarred(t *testing.T, all ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range all {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		err := w.WriteHeader(&h)
		if err == nil && h.Size > 0 {
			_, err = io.WriteString(w, h.Name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestArchivesThatLead uploads what tries to get out of a container, made or running, by its
// names, its links, or links that the container has: all of it stays inside.
func TestArchivesThatLead(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	host := t.TempDir()
	if err := os.WriteFile(filepath.Join(host, "secret"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	up := strings.Repeat("../", 30)
	for name, body := range map[string]string{
		"made":    `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}`,
		"running": `{"Image":"box","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}}`,
	} {
		id := c.create(t, body)
		if name == "running" {
			c.want(t, 204, "POST", "/containers/"+id+"/start", "")
		}
		put := "/containers/" + id + "/archive?path="
		c.want(t, 200, "PUT", put+"/", tarred(t,
			tar.Header{Name: "away", Typeflag: tar.TypeSymlink, Linkname: host}, tar.Header{Name: "far", Typeflag: tar.TypeSymlink, Linkname: up + host},
			tar.Header{Name: "d", Typeflag: tar.TypeDir}))
		for i, entries := range [][]tar.Header{
			{{Name: up + host + "/out", Typeflag: tar.TypeReg}},
			{{Name: host + "/out", Typeflag: tar.TypeReg}},
			{{Name: "away/out", Typeflag: tar.TypeReg}},
			{{Name: "far/secret", Typeflag: tar.TypeReg}},
			{{Name: "l", Typeflag: tar.TypeSymlink, Linkname: host}, {Name: "l/out", Typeflag: tar.TypeReg}},
			{{Name: "h", Typeflag: tar.TypeLink, Linkname: up + host + "/secret"}, {Name: "h", Typeflag: tar.TypeReg}},
			{{Name: "h", Typeflag: tar.TypeLink, Linkname: "away/secret"}, {Name: "h", Typeflag: tar.TypeReg}},
			{{Name: "away", Typeflag: tar.TypeDir, Mode: 0o777}, {Name: "away/out", Typeflag: tar.TypeReg}},
			{{Name: "away/secret", Typeflag: tar.TypeSymlink, Linkname: "x"}},
			{{Name: "far", Typeflag: tar.TypeReg}},
			{{Name: strings.Repeat("d/", 2000) + "deep", Typeflag: tar.TypeReg}},
			{{Name: "n" + strings.Repeat("n", 300), Typeflag: tar.TypeReg}},
		} {
			for _, to := range []string{"/", "/d", "/d/../away", "/far", "/away/.", "/proc/1/root"} {
				_, _ = c.ask(t, "PUT", put+to, tarred(t, entries...)) // whether it is taken is not asked
				names, err := os.ReadDir(host)
				text, rerr := os.ReadFile(filepath.Join(host, "secret"))
				info, serr := os.Lstat(host)
				if err := errors.Join(err, rerr, serr); err != nil || len(names) != 1 || string(text) != "kept" || info.Mode().Perm() != 0o755 {
					t.Fatalf("%s, archive %d to %s: %v, %v, %q, %v", name, i, to, names, err, text, info)
				}
			}
		}
		c.want(t, 204, "DELETE", "/containers/"+id+"?force=1", "")
	}
}

// TestArchivesAreTaken uploads packed ones, as clients may, and those that would have a
// directory in the place of a file.
func TestArchivesAreTaken(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	of := "/containers/" + c.create(t, `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}`) + "/archive?path="
	plain := tarred(t, tar.Header{Name: "file", Typeflag: tar.TypeReg}, tar.Header{Name: "dir/in", Typeflag: tar.TypeReg})
	var zipped, zstded bytes.Buffer
	gz := gzip.NewWriter(&zipped)
	zs, err := zstd.NewWriter(&zstded)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{gz, zs} {
		_, err := io.WriteString(w, plain)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for _, body := range []string{plain, zipped.String(), zstded.String()} {
		c.want(t, 200, "PUT", of+"/", body)
		if got := c.want(t, 200, "GET", of+"/dir/in", ""); !strings.Contains(got, "dir/in") {
			t.Errorf("%q", got)
		}
	}
	for body, status := range map[string]int{plain[:514]: 400, zipped.String()[:60]: 400, strings.Repeat("x", 1024): 400} {
		c.want(t, status, "PUT", of+"/", body)
	}
	for _, swap := range [][]tar.Header{
		{{Name: "file", Typeflag: tar.TypeDir}}, {{Name: "dir", Typeflag: tar.TypeReg}}, {{Name: "dir", Typeflag: tar.TypeSymlink, Linkname: "file"}},
	} {
		res, text := c.ask(t, "PUT", of+"/&noOverwriteDirNonDir=true", tarred(t, swap...))
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(text, "cannot overwrite") {
			t.Errorf("%+v: %d %s", swap, res.StatusCode, text)
		}
	}
	c.want(t, 200, "PUT", of+"/", tarred(t, tar.Header{Name: "file", Typeflag: tar.TypeDir}, tar.Header{Name: "file/below", Typeflag: tar.TypeReg}))
	c.want(t, 200, "GET", of+"/file/below", "")
}
