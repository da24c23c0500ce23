package buildctx_test

import (
	"fmt"

	"cove/builder/buildctx"
)

// Which line of a .dockerignore keeps a file out of the context.
func ExampleIgnore() {
	ignore, err := buildctx.ParseIgnore(".dockerignore", []byte("*\n!src\nsrc/*.key\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range []string{".env", "src/main.go", "src/tls.key"} {
		fmt.Printf("%s: %q\n", p, ignore.Rule(p))
	}
	// Output:
	// .env: "*"
	// src/main.go: ""
	// src/tls.key: "src/*.key"
}
