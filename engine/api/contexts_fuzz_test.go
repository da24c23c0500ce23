package api_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tarredText is an archive of files.
func tarredText(t testing.TB, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
		if _, werr := io.WriteString(w, text); err == nil {
			err = werr
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

// entry is one of an archive that somebody wrote by hand: what no writer of archives makes
// is made of blocks.
type entry struct {
	kind       byte
	name, link string
	mode, size int64
	pax        map[string]string
	body       string
}

// context is an archive whose Dockerfile takes all of it, with one entry more, and bytes
// behind it.
func (e entry) context(t testing.TB, behind string, cut int) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	const dockerfile = "FROM scratch\nCOPY . /\nADD . /twice/\n"
	err := w.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(dockerfile))})
	if err == nil {
		_, err = io.WriteString(w, dockerfile)
	}
	if err != nil {
		t.Fatal(err)
	}
	h := &tar.Header{Typeflag: e.kind, Name: e.name, Linkname: e.link, Mode: e.mode, Size: e.size, PAXRecords: e.pax, Devmajor: 1, Devminor: 3}
	if err := w.WriteHeader(h); err == nil { // what cannot be written is left to what is behind
		_, _ = io.WriteString(w, e.body)
	}
	_ = w.Flush()
	text := b.String() + behind
	if cut > 0 && cut < len(text) {
		text = text[:cut]
	}
	return text
}

// FuzzContexts builds what a client may send as a context: links that lead out, devices, holes,
// records of PAX, names without end, and archives that break off. Whatever it is, it is answered by
// lines of JSON or an error in docker's shape, soon, and nothing outside of the root changes.
func FuzzContexts(f *testing.F) {
	outside := f.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("of the host"), 0o600); err != nil {
		f.Fatal(err)
	}
	up := strings.Repeat("../", 20)
	for _, e := range []entry{
		{kind: tar.TypeReg, name: "file", mode: 0o644, size: 4, body: "text"},
		{kind: tar.TypeSymlink, name: "l", link: secret},
		{kind: tar.TypeSymlink, name: "l", link: up + secret},
		{kind: tar.TypeLink, name: "h", link: up + secret},
		{kind: tar.TypeLink, name: "h", link: "Dockerfile"},
		{kind: tar.TypeLink, name: "Dockerfile", link: "Dockerfile"},
		{kind: tar.TypeReg, name: up + secret, size: 1, body: "x"},
		{kind: tar.TypeReg, name: secret, size: 1, body: "x"},
		{kind: tar.TypeChar, name: "null", mode: 0o666},
		{kind: tar.TypeBlock, name: "disk"},
		{kind: tar.TypeFifo, name: "pipe"},
		{kind: tar.TypeReg, name: strings.Repeat("d/", 1200) + "f"},
		{kind: tar.TypeReg, name: strings.Repeat("n", 300)},
		{kind: tar.TypeReg, name: "x", pax: map[string]string{"path": up + secret}},
		{kind: tar.TypeReg, name: "x", pax: map[string]string{"size": "99999999999"}},
		{kind: tar.TypeReg, name: "x", pax: map[string]string{"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": secret, "GNU.sparse.realsize": "1099511627776"}},
		{kind: tar.TypeReg, name: "x", pax: map[string]string{"SCHILY.xattr.security.capability": "x", "SCHILY.xattr.trusted.overlay.opaque": "y"}},
		{kind: tar.TypeDir, name: "Dockerfile"},
		{kind: tar.TypeSymlink, name: "Dockerfile", link: secret},
		{kind: tar.TypeReg, name: ".dockerignore", size: 2, body: "**"},
		{kind: tar.TypeSymlink, name: ".dockerignore", link: secret},
		{kind: tar.TypeReg, name: ".wh..wh..opq"},
		{kind: tar.TypeReg, name: "a\x00b"},
		{kind: 'V', name: "volume"},
		{kind: tar.TypeReg, name: "", mode: -1},
		{kind: tar.TypeReg, name: "."},
		{kind: tar.TypeSymlink, name: ".", link: outside},
	} {
		pax := ""
		for k, v := range e.pax {
			pax += k + "=" + v + "\n"
		}
		f.Add(e.kind, e.name, e.link, e.mode, e.size, pax, e.body, "", 0)
		f.Add(e.kind, e.name, e.link, e.mode, e.size, pax, e.body, strings.Repeat("\x00", 1024), 700)
	}
	f.Add(byte('0'), "f", "", int64(0), int64(0), "", "", "\x1f\x8b\x08\x00\x00", 0)
	eng := fresh(f)
	c := serve(f, eng)
	c.Timeout = 30 * time.Second
	f.Fuzz(func(t *testing.T, kind byte, name, link string, mode, size int64, pax, body, behind string, cut int) {
		e := entry{kind: kind, name: name, link: link, mode: mode, size: size, body: body, pax: map[string]string{}}
		for line := range strings.Lines(pax) {
			if k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
				e.pax[k] = v
			}
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://d/build", strings.NewReader(e.context(t, behind, cut)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-tar")
		status, text := c.send(t, req)
		if status != 200 && (status >= 500 || !strings.HasPrefix(text, `{"message":"`)) {
			t.Errorf("%d %.500s", status, text)
		}
		for d := json.NewDecoder(strings.NewReader(text)); ; {
			var line map[string]any
			if err := d.Decode(&line); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v: %.500s", err, text)
			}
		}
		names, err := os.ReadDir(outside)
		kept, rerr := os.ReadFile(secret)
		if err := errors.Join(err, rerr); err != nil || len(names) != 1 || string(kept) != "of the host" || strings.Contains(text, "of the host") {
			t.Errorf("%v, %v, %q, %.500s", err, names, kept, text)
		}
		left, err := filepath.Glob(filepath.Join(eng.BuildDir(), "context-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("%v: left %v", err, left)
		}
	})
}
