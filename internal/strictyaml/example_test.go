package strictyaml_test

import (
	"fmt"

	"cove/internal/strictyaml"
)

// A mistake is never overlooked, and the key that was meant is named.
func ExampleDecode() {
	var cfg struct {
		Listen string `yaml:"listen"`
	}
	fmt.Println(strictyaml.Decode("registry.yaml", []byte("listen: :443\n"), &cfg), cfg.Listen)
	fmt.Println(strictyaml.Decode("registry.yaml", []byte("\nlistn: :443\n"), &cfg))
	// Output:
	// <nil> :443
	// registry.yaml:2: there is no key listn; did you mean listen?
}
