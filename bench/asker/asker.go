// Package asker is a small client of registries, whose own work costs next to nothing.
package asker

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Password is the admin's of the registry under measurement; it listens on a
// loopback address inside a network namespace.
const Password = "bench-only"

// Repository is where images are pushed to and pulled from.
const Repository = "bench/app"

const repository = "/v2/" + Repository

// Client speaks the distribution protocol to one registry, and does no more
// than it must: what is measured is the registry.
type Client struct {
	Base string
	// User is who asks; nil is the admin, by Password.
	User *url.Userinfo
	// HTTP makes its requests; nil is one for plain HTTP.
	HTTP *http.Client
}

var pool = Pool(&http.Transport{})

// Pool keeps the connections of as many clients as any row has.
func Pool(t *http.Transport) *http.Client {
	t.MaxIdleConnsPerHost, t.DisableCompression = 64, true
	return &http.Client{Transport: t}
}

// send makes a request as the client's user.
func (c *Client) send(req *http.Request) (*http.Response, error) {
	name, password := "admin", Password
	if c.User != nil {
		name = c.User.Username()
		password, _ = c.User.Password()
	}
	req.SetBasicAuth(name, password)
	if c.HTTP == nil {
		return pool.Do(req)
	}
	return c.HTTP.Do(req)
}

// Call is one request; MediaType is of the body.
type Call struct {
	Method, Path string
	Body         []byte
	MediaType    string
}

// Do makes a request and returns where its answer points to, "" for nowhere.
func (c *Client) Do(ctx context.Context, r Call) (location string, err error) {
	if len(r.Path) > 0 && r.Path[0] == '/' {
		r.Path = c.Base + r.Path
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return "", err
	}
	if r.MediaType != "" {
		req.Header.Set("Content-Type", r.MediaType)
	}
	req.Header.Set("Accept", ocispec.MediaTypeImageManifest)
	resp, err := c.send(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	if resp.StatusCode >= 300 {
		return "", fmt.Errorf("%s %s: %s", r.Method, r.Path, resp.Status)
	}
	u, err := resp.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// Blob is bytes with their digest, as a client has them at hand when it pushes.
type Blob struct {
	body []byte
	dgst digest.Digest
}

func NewBlob(body []byte) Blob { return Blob{body, digest.FromBytes(body)} }

// NewLayer makes a layer that no registry has seen.
func NewLayer(size int) Blob {
	body := make([]byte, size)
	_, _ = rand.Read(body) // never fails
	return NewBlob(body)
}

// Digest is that of its bytes.
func (b Blob) Digest() digest.Digest { return b.dgst }

// PushBlob pushes one.
func (c *Client) PushBlob(ctx context.Context, b Blob) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{Digest: b.dgst, Size: int64(len(b.body))}
	location, err := c.Do(ctx, Call{Method: http.MethodPost, Path: repository + "/blobs/uploads/"})
	if err != nil {
		return desc, err
	}
	separator := "?"
	if bytes.ContainsRune([]byte(location), '?') {
		separator = "&"
	}
	_, err = c.Do(ctx, Call{
		Method: http.MethodPut, Path: location + separator + "digest=" + desc.Digest.String(),
		Body: b.body, MediaType: "application/octet-stream",
	})
	return desc, err
}

// PushImage pushes a layer, a config and a manifest under a tag.
func (c *Client) PushImage(ctx context.Context, tag string, layer Blob) error {
	_, err := c.Push(ctx, tag, layer)
	return err
}

// Delete deletes a manifest.
func (c *Client) Delete(ctx context.Context, dgst digest.Digest) error {
	_, err := c.Do(ctx, Call{Method: http.MethodDelete, Path: repository + "/manifests/" + dgst.String()})
	return err
}

// Push is PushImage, and says which manifest it was.
func (c *Client) Push(ctx context.Context, tag string, layer Blob) (digest.Digest, error) {
	layerDesc, err := c.PushBlob(ctx, layer)
	if err != nil {
		return "", err
	}
	layerDesc.MediaType = ocispec.MediaTypeImageLayer
	configDesc, err := c.PushBlob(ctx, NewBlob(fmt.Appendf(nil,
		`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, layerDesc.Digest)))
	if err != nil {
		return "", err
	}
	configDesc.MediaType = ocispec.MediaTypeImageConfig
	return c.putManifest(ctx, tag, ocispec.Manifest{Config: configDesc, Layers: []ocispec.Descriptor{layerDesc}})
}

// PushReferrer pushes the nth manifest that refers to a subject, which need not be there.
func (c *Client) PushReferrer(ctx context.Context, subject digest.Digest, n int) error {
	empty := NewBlob([]byte("{}"))
	desc, err := c.PushBlob(ctx, empty)
	if err != nil {
		return err
	}
	desc.MediaType = ocispec.MediaTypeEmptyJSON
	m := ocispec.Manifest{
		ArtifactType: "application/vnd.example.signature", Config: desc, Layers: []ocispec.Descriptor{desc},
		Subject:     &ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: subject, Size: 100},
		Annotations: map[string]string{"n": fmt.Sprint(n)},
	}
	_, err = c.putManifest(ctx, "", m)
	return err
}

// putManifest puts one under a tag; "" is none.
func (c *Client) putManifest(ctx context.Context, tag string, m ocispec.Manifest) (digest.Digest, error) {
	m.Versioned, m.MediaType = specs.Versioned{SchemaVersion: 2}, ocispec.MediaTypeImageManifest
	body, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	dgst := digest.FromBytes(body)
	if tag == "" {
		tag = dgst.String()
	}
	_, err = c.Do(ctx, Call{
		Method: http.MethodPut, Path: repository + "/manifests/" + tag, Body: body, MediaType: m.MediaType,
	})
	return dgst, err
}

// PullImage pulls what a tag names, and asks for each blob before.
func (c *Client) PullImage(ctx context.Context, tag string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+repository+"/manifests/"+tag, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", ocispec.MediaTypeImageManifest)
	resp, err := c.send(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var m ocispec.Manifest
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		return err
	}
	for _, desc := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
		path := repository + "/blobs/" + desc.Digest.String()
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			if _, err := c.Do(ctx, Call{Method: method, Path: path}); err != nil {
				return err
			}
		}
	}
	return nil
}
