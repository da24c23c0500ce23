package errdefs_test

import (
	"errors"
	"fmt"

	"cove/errdefs"
)

func ExampleErrorf() {
	err := errdefs.Errorf(errdefs.ErrExhausted, "registry: project %q: quota of 2 GiB is used up; ask its admin", "team")
	fmt.Println(err)
	fmt.Println(errors.Is(err, errdefs.ErrExhausted))
	// Output:
	// registry: project "team": quota of 2 GiB is used up; ask its admin
	// true
}
