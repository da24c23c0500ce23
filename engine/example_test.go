package engine_test

import (
	"context"
	"fmt"
	"os"

	"cove/engine"
)

// An engine is a root: nothing runs for it, and what is broken is found by the first call
// that needs it.
func Example() {
	root, _ := os.MkdirTemp("", "root")
	defer os.RemoveAll(root)
	eng, err := engine.Open(engine.Config{Root: root})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	_, err = eng.NewVolume(ctx, engine.WantedVolume{Name: "data"})
	fmt.Println(err)
	all, err := eng.Volumes(ctx, engine.VolumeFilter{"dangling": {"true"}})
	fmt.Println(len(all), all[0].Name, err)
	_, err = eng.Volumes(ctx, engine.VolumeFilter{"colour": {"red"}})
	fmt.Println(err)
	// Output:
	// <nil>
	// 1 data <nil>
	// invalid filter 'colour': there are dangling, driver, label, name
}
