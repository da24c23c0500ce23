package server

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/distribution/errcode"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/reference"
)

func (s *server) headManifest(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	desc, err := s.statManifest(ctx, t)
	if err != nil {
		return err
	}
	setManifestHeaders(w.Header(), desc)
	if matches(r.Header.Get("If-None-Match"), desc.Digest) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Length", strconv.FormatInt(desc.Size, 10))
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *server) statManifest(ctx context.Context, t target) (ocispec.Descriptor, error) {
	if t.dgst != "" {
		return s.Registry.StatManifest(ctx, t.repo, t.dgst)
	}
	return s.Registry.StatTag(ctx, t.repo, t.ref)
}

func (s *server) loadManifest(ctx context.Context, t target) (distribution.Manifest, error) {
	if t.dgst != "" {
		return s.Registry.GetManifest(ctx, t.repo, t.dgst)
	}
	return s.Registry.GetTag(ctx, t.repo, t.ref)
}

// getManifest answers with the bytes and the type that were pushed, whatever
// Accept says: a converted manifest would have another digest.
func (s *server) getManifest(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	m, err := s.loadManifest(ctx, t)
	if err != nil {
		return err
	}
	setManifestHeaders(w.Header(), m.Descriptor)
	if matches(r.Header.Get("If-None-Match"), m.Descriptor.Digest) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	// So small that hashing it each time costs microseconds.
	if m.Descriptor.Digest.Algorithm().FromBytes(m.Body) != m.Descriptor.Digest {
		return errdefs.Errorf(errdefs.ErrCorrupt, "stored manifest %s: its bytes do not match the digest",
			m.Descriptor.Digest)
	}
	// In ranges, too: containerd fetches everything so.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(m.Body))
	return nil
}

func setManifestHeaders(h http.Header, desc ocispec.Descriptor) {
	d := desc.Digest.String()
	h.Set("Content-Type", desc.MediaType)
	h.Set("Docker-Content-Digest", d)
	h.Set("Etag", `"`+d+`"`)
}

func (s *server) putManifest(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	body, err := s.readManifest(r)
	if err != nil {
		return err
	}
	m, err := manifest.ParseWithin(s.ManifestDepth, r.Header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	alg := digest.Canonical
	if t.dgst != "" {
		alg = t.dgst.Algorithm()
	}
	dgst := alg.FromBytes(body)
	if t.dgst != "" && t.dgst != dgst {
		return errcode.New(http.StatusBadRequest, errcode.DigestInvalid, "the manifest's digest is "+dgst.String())
	}
	desc := ocispec.Descriptor{
		MediaType: m.MediaType, Digest: dgst, Size: int64(len(body)),
		ArtifactType: m.ArtifactType,
	}
	tags, err := tagsOf(t)
	if err != nil {
		return err
	}
	if p, ok := precondition(r.Header, t); ok {
		ctx = distribution.WithPrecondition(ctx, p)
	}
	subject, err := s.Registry.PutManifest(ctx, t.repo, distribution.Manifest{Descriptor: desc, Body: body}, tags...)
	if err != nil {
		return err
	}
	if subject != "" {
		w.Header().Set("OCI-Subject", subject.String())
	}
	if t.dgst != "" {
		for _, tag := range tags {
			w.Header().Add("OCI-Tag", tag)
		}
	}
	created(w, t.repo, "/manifests/", dgst)
	return nil
}

// maxTags bounds the tags of one push: each is a row of its one transaction.
const maxTags = 100

// tagsOf are the tags that a push moves: the one in its path, or, when it is by
// digest, those of its parameters "tag". So a manifest of another digest than
// sha256 can be tagged.
func tagsOf(t target) ([]string, error) {
	if t.dgst == "" {
		return []string{t.ref}, nil
	}
	tags := t.query["tag"]
	if len(tags) > maxTags {
		return nil, errcode.New(http.StatusBadRequest, errcode.TagInvalid,
			"a push moves "+strconv.Itoa(maxTags)+" tags at most, these are "+strconv.Itoa(len(tags)))
	}
	for _, tag := range tags {
		if !reference.ValidTag(tag) {
			return nil, invalidTag()
		}
	}
	return tags, nil
}

func (s *server) readManifest(r *http.Request) ([]byte, error) {
	tooLarge := errcode.New(http.StatusRequestEntityTooLarge, errcode.SizeInvalid,
		"manifest is larger than "+strconv.FormatInt(s.ManifestLimit, 10)+" bytes")
	if r.ContentLength > s.ManifestLimit {
		return nil, tooLarge
	}
	// It grows as bytes arrive: a length that is only promised takes no memory.
	// Room for one byte more tells a body at the limit from one beyond it.
	body, err := io.ReadAll(io.LimitReader(r.Body, s.ManifestLimit+1))
	switch {
	case err != nil:
		return nil, &errcode.Error{
			Code: errcode.ManifestInvalid, Status: http.StatusBadRequest,
			Message: "the manifest was cut off", Err: err,
		}
	case int64(len(body)) > s.ManifestLimit:
		return nil, tooLarge
	}
	return body, nil
}

func (s *server) deleteManifest(ctx context.Context, w http.ResponseWriter, _ *http.Request, t target) error {
	var err error
	if t.dgst != "" {
		err = s.Registry.DeleteManifest(ctx, t.repo, t.dgst)
	} else {
		err = s.Registry.DeleteTag(ctx, t.repo, t.ref)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
