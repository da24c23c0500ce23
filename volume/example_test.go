package volume_test

import (
	"context"
	"fmt"
	"os"

	"cove/volume"
)

func Example() {
	root, _ := os.MkdirTemp("", "volumes")
	defer os.RemoveAll(root)
	store := volume.Open(root)
	v, err := store.Create(context.Background(), volume.Wanted{Name: "data", Labels: map[string]string{"app": "shop"}}, nil)
	fmt.Println(v.Name, v.Anonymous, err)
	all, err := store.All()
	fmt.Println(len(all), all[0].Labels["app"], err)
	fmt.Println(store.Remove("data"))
	_, err = store.Get("data")
	fmt.Println(err)
	// Output:
	// data false <nil>
	// 1 shop <nil>
	// <nil>
	// no such volume: data
}
