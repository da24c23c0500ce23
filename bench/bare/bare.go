// Package bare is the least that can take and give what the bench pushes and pulls: bytes
// are hashed as they come, made durable under their digest, and sent by the kernel. It knows
// no accounts, keeps no database and checks nothing of a manifest, so its times are what
// HTTP, the processor and the disk ask of any registry that keeps its promises.
package bare

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// Serve answers at an address, with a folder for its bytes, until it fails.
func Serve(dir, address string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return http.Serve(l, Handler(dir))
}

type handler struct {
	dir     string
	buffers sync.Pool
}

const prefix = "/v2/bench/app/"

// Handler answers by what is in a folder.
func Handler(dir string) http.Handler {
	return &handler{dir: dir, buffers: sync.Pool{New: func() any { return new([256 << 10]byte) }}}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind, name, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, prefix), "/")
	var err error
	switch {
	case !ok || !filepath.IsLocal(name):
		err = os.ErrNotExist
	case r.Method == http.MethodPost:
		w.Header().Set("Location", prefix+"blobs/uploads/"+rand.Text())
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPut:
		if dgst := r.URL.Query().Get("digest"); dgst != "" {
			name = dgst
		}
		err = h.take(r.Body, kind, name)
		if err == nil {
			w.WriteHeader(http.StatusCreated)
		}
	default:
		err = h.give(w, r, kind, name)
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// take makes bytes durable: first they, then their name.
func (h *handler) take(body io.Reader, kind, name string) (err error) {
	dir := filepath.Join(h.dir, kind)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	hash, buf := sha256.New(), h.buffers.Get().(*[256 << 10]byte)
	defer h.buffers.Put(buf)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, hash)}, body, buf[:]); err != nil {
		return err
	}
	if got := "sha256:" + hex.EncodeToString(hash.Sum(nil)); kind == "blobs" && got != name {
		return fmt.Errorf("%s is %s", name, got)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, path.Base(name))); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (h *handler) give(w http.ResponseWriter, r *http.Request, kind, name string) error {
	f, err := os.Open(filepath.Join(h.dir, kind, path.Base(name)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = io.Copy(w, f) // a client that is gone hears nothing
	}
	return nil
}
