package secret_test

import (
	"fmt"
	"io"
	"os"

	"cove/builder/secret"
)

// A secret is found wherever the writes that it comes in are cut.
func Example() {
	secrets := secret.Of(map[string][]byte{"token": []byte("s3cr3t-t0ken")})
	out := secrets.Masker(os.Stdout)
	for _, piece := range []string{"curl -H s3cr", "3t-t0k", "en https://example.org\n"} {
		_, _ = io.WriteString(out, piece)
	}
	_ = out.Flush()

	layer := secrets.Scanner()
	_, _ = io.WriteString(layer, "machine example.org password s3cr3t-t0ken")
	fmt.Println(layer.Found("COPY . /app") != nil)
	// Output:
	// curl -H *** https://example.org
	// true
}
