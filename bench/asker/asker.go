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

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Password is the admin's of the registry under measurement; it listens on a
// loopback address inside a network namespace.
const Password = "bench-only"

// Client speaks the distribution protocol to one registry, and does no more
// than it must: what is measured is the registry.
type Client struct{ Base string }

var pool = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}}

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
	req.SetBasicAuth("admin", Password)
	if r.MediaType != "" {
		req.Header.Set("Content-Type", r.MediaType)
	}
	req.Header.Set("Accept", ocispec.MediaTypeImageManifest)
	resp, err := pool.Do(req)
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

func (c *Client) PushBlob(ctx context.Context, b Blob) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{Digest: b.dgst, Size: int64(len(b.body))}
	location, err := c.Do(ctx, Call{Method: http.MethodPost, Path: "/v2/bench/app/blobs/uploads/"})
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

func (c *Client) PushImage(ctx context.Context, tag string, layer Blob) error {
	layerDesc, err := c.PushBlob(ctx, layer)
	if err != nil {
		return err
	}
	layerDesc.MediaType = ocispec.MediaTypeImageLayer
	configDesc, err := c.PushBlob(ctx, NewBlob(fmt.Appendf(nil,
		`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, layerDesc.Digest)))
	if err != nil {
		return err
	}
	configDesc.MediaType = ocispec.MediaTypeImageConfig
	body, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: configDesc, Layers: []ocispec.Descriptor{layerDesc},
	})
	if err != nil {
		return err
	}
	_, err = c.Do(ctx, Call{
		Method: http.MethodPut, Path: "/v2/bench/app/manifests/" + tag, Body: body,
		MediaType: ocispec.MediaTypeImageManifest,
	})
	return err
}

func (c *Client) PullImage(ctx context.Context, tag string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Base+"/v2/bench/app/manifests/"+tag, http.NoBody)
	if err != nil {
		return err
	}
	req.SetBasicAuth("admin", Password)
	req.Header.Set("Accept", ocispec.MediaTypeImageManifest)
	resp, err := pool.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var m ocispec.Manifest
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		return err
	}
	for _, desc := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
		path := "/v2/bench/app/blobs/" + desc.Digest.String()
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			if _, err := c.Do(ctx, Call{Method: method, Path: path}); err != nil {
				return err
			}
		}
	}
	return nil
}
