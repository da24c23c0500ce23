// Package linked links the client of registries, and what verifies signatures: importing
// it is all that there is to do.
package linked

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/progress"
	"cove/errdefs"
	"cove/images/remote"
	"cove/images/trust"
	"cove/reference"
)

func init() { //nolint:gochecknoinits // it is what the package is for
	remote.Use(func(cfg remote.Config) (remote.Registries, error) {
		c, err := client.New(client.Config{
			Keychain: cfg.Keychain, CertsDirs: cfg.CertsDirs, Insecure: cfg.Insecure, Mirrors: cfg.Mirrors,
			OnWarning: cfg.OnWarning, OnRetry: cfg.OnRetry,
		})
		if err != nil {
			return nil, err
		}
		return Of(c), nil
	})
}

// Of returns the registries that a client asks.
func Of(c *client.Client) remote.Registries { return registries{c} }

// Client is what asks registries, for who needs more of it than images do.
func Client(r remote.Registries) *client.Client {
	return r.(registries).Client //nolint:forcetypeassert // Open and Of make no other
}

type registries struct{ *client.Client }

func (r registries) Repository(host, name string) remote.Repository {
	return repository{r.Client.Repository(host, name)}
}

func (r registries) Search(ctx context.Context, host, term string, limit int) ([]remote.Found, error) {
	found, err := r.Client.Search(ctx, host, term, limit)
	all := make([]remote.Found, len(found))
	for i, f := range found {
		all[i] = remote.Found(f)
	}
	return all, err
}

type repository struct{ *client.Repository }

func (r repository) FetchBlob(
	ctx context.Context, into content.Store, desc ocispec.Descriptor, tell progress.Func,
) error {
	return r.Repository.FetchBlob(ctx, into, desc, tell)
}

func (r repository) Push(
	ctx context.Context, from content.Store, root digest.Digest, o remote.PushOptions,
) error {
	if o.Lacking != nil {
		from = lacking{from, o.Lacking}
	}
	_, err := copy.Copy(ctx, &copy.Remote{Repo: r.Repository}, copy.Store{Content: from}, root.String(), copy.Options{
		Tag: o.Tag, MountFrom: o.MountFrom, Progress: o.Progress,
		TrustSource: true, // the store hashed them, and who pushes finds what is wrong since
	})
	return err
}

// lacking is a store with blobs that are elsewhere behind it.
type lacking struct {
	content.Store
	elsewhere content.Provider
}

// Open implements content.Provider.
func (l lacking) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	r, err := l.Store.Open(ctx, desc)
	if errors.Is(err, errdefs.ErrNotFound) {
		return l.elsewhere.Open(ctx, desc)
	}
	return r, err
}

func (r repository) PushBlob(
	ctx context.Context, from content.Provider, desc ocispec.Descriptor, o remote.PushOptions,
) error {
	return r.Repository.PushBlob(ctx, desc, from, client.PushOptions{MountFrom: o.MountFrom, Progress: o.Progress})
}

func (r repository) Verify(
	ctx context.Context, rules []remote.Rule, ref reference.Reference, of []digest.Digest,
) error {
	return trust.Policy(rules).Verify(ctx, r.Repository, ref, of)
}
