package compress_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"cove/layers/compress"
)

// What is read is recognised by its first bytes, and refused when it unpacks to more
// than the limits allow.
func Example() {
	var packed bytes.Buffer
	w, err := compress.NewWriter(&packed, compress.Options{Compression: compress.Zstd})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.Copy(w, strings.NewReader(strings.Repeat("layer ", 1000)))
	_ = w.Close()

	r, err := compress.NewReader(context.Background(), bytes.NewReader(packed.Bytes()), compress.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := io.ReadAll(r)
	fmt.Println(r.Compression, len(text), err)

	r, _ = compress.NewReader(context.Background(), bytes.NewReader(packed.Bytes()), compress.Limits{Bytes: 1000})
	_, err = io.ReadAll(r)
	fmt.Println("too much:", err != nil)
	// Output:
	// zstd 6000 <nil>
	// too much: true
}
