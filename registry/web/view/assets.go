package view

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed assets dist
var embedded embed.FS

// StaticPath is where assets are served: below it stands a name that changes with
// the content, so that a browser may keep it for good.
const StaticPath = "/static/"

// asset is a file that pages load.
type asset struct {
	kind    string // media type
	body    []byte
	sum     string // SHA-256 of body, in hex
	made    map[string][]byte
	gzipped func() []byte
}

// Assets are the files that pages load, by the name they are served under. It is
// safe for concurrent use.
type Assets struct {
	byName map[string]*asset
	names  map[string]string // from "style.css" to the served name
}

var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// newAssets reads what is embedded. htmx is there only in a build by make.
func newAssets() (*Assets, error) {
	sums := map[string]string{}
	if data, err := embedded.ReadFile("dist/sums.json"); err == nil {
		if err := json.Unmarshal(data, &sums); err != nil {
			return nil, err
		}
	}
	a := &Assets{byName: map[string]*asset{}, names: map[string]string{}}
	for _, dir := range []string{"assets", "dist"} {
		files, err := fs.ReadDir(embedded, dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if kind := kinds[path.Ext(f.Name())]; kind != "" {
				body, err := embedded.ReadFile(path.Join(dir, f.Name()))
				if err != nil {
					return nil, err
				}
				a.add(f.Name(), kind, body, sums)
			}
		}
	}
	return a, nil
}

func (a *Assets) add(name, kind string, body []byte, sums map[string]string) {
	sum := sha256.Sum256(body)
	it := &asset{kind: kind, body: body, sum: hex.EncodeToString(sum[:]), made: map[string][]byte{}}
	it.gzipped = sync.OnceValue(func() []byte { return gzipOf(body) })
	if sums[name] == it.sum { // what was compressed at build is of these very bytes
		for encoding, ext := range map[string]string{"br": ".br", "gzip": ".gz"} {
			if packed, err := embedded.ReadFile("dist/" + name + ext); err == nil {
				it.made[encoding] = packed
			}
		}
	}
	ext := path.Ext(name)
	served := strings.TrimSuffix(name, ext) + "." + it.sum[:12] + ext
	a.byName[served], a.names[name] = it, served
}

// URL is where an asset is served; "" if this build has none of that name.
func (a *Assets) URL(name string) string {
	if a.names[name] == "" {
		return ""
	}
	return StaticPath + a.names[name]
}

// Serve answers with the asset of a served name; errNoAsset is an error if there
// is none.
func (a *Assets) Serve(w http.ResponseWriter, r *http.Request, name string) error {
	it := a.byName[name]
	if it == nil {
		return errNoAsset
	}
	h := w.Header()
	h.Set("Content-Type", it.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", `"`+it.sum[:16]+`"`)
	h.Add("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	encoding, body := it.encoded(r)
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	_, err := w.Write(body)
	return err
}

var errNoAsset = errors.New("there is no such file")

func (it *asset) encoded(r *http.Request) (encoding string, body []byte) {
	for _, encoding := range []string{"br", "gzip"} {
		if !Accepts(r, encoding) {
			continue
		}
		if packed := it.made[encoding]; packed != nil {
			return encoding, packed
		}
		if encoding == "gzip" {
			return encoding, it.gzipped()
		}
	}
	return "", it.body
}

// Accepts says whether the client takes an encoding.
func Accepts(r *http.Request, encoding string) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			q := strings.ReplaceAll(quality, " ", "")
			return q != "q=0" && q != "q=0.0"
		}
	}
	return false
}

func gzipOf(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	return b.Bytes()
}
