package whiteout_test

import (
	"fmt"

	"cove/layers/whiteout"
)

// What the names in a layer's tar mean.
func ExampleParse() {
	for _, name := range []string{"passwd", ".wh.passwd", ".wh..wh..opq", ".wh..wh.plnk"} {
		hidden, opaque, meta, err := whiteout.Parse(name)
		fmt.Printf("%-13s deletes %q, hides all below %v, is skipped %v, %v\n", name, hidden, opaque, meta, err)
	}
	_, _, _, err := whiteout.Parse(".wh.")
	fmt.Println("refused:", err != nil)
	// Output:
	// passwd        deletes "", hides all below false, is skipped false, <nil>
	// .wh.passwd    deletes "passwd", hides all below false, is skipped false, <nil>
	// .wh..wh..opq  deletes "", hides all below true, is skipped false, <nil>
	// .wh..wh.plnk  deletes "", hides all below false, is skipped true, <nil>
	// refused: true
}
