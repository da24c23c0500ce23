package distributiontest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/memstore"
	"cove/distribution"
	"cove/distribution/client"
	"cove/distribution/distributiontest"
	"cove/distribution/server"
)

// everybody may do everything.
type everybody struct{}

func (everybody) Authorize(r *http.Request, _ ...distribution.Access) (context.Context, error) {
	return r.Context(), nil
}

func (everybody) Challenge(*http.Request, ...distribution.Access) string { return "" }

// Any distribution.Registry is served by the protocol; the client is its other end.
func Example() {
	ctx := context.Background()
	h, err := server.New(server.Config{
		Registry: distributiontest.NewMemory(memstore.New(time.Now)), Authorizer: everybody{},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	srv := httptest.NewServer(h)
	defer srv.Close()

	c, err := client.New(client.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	repo := c.Repository(strings.TrimPrefix(srv.URL, "http://"), "team/app")
	local := memstore.New(time.Now)
	desc, _ := content.WriteBytes(ctx, local, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer}, []byte("a layer"))
	fmt.Println(repo.PushBlob(ctx, desc, local, client.PushOptions{}))

	elsewhere := memstore.New(time.Now)
	err = repo.FetchBlob(ctx, elsewhere, desc, nil)
	got, _ := content.ReadBlob(ctx, elsewhere, desc)
	fmt.Println(bytes.Equal(got, []byte("a layer")), err)
	// Output:
	// <nil>
	// true <nil>
}
