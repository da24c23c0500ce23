package dockerfile_test

import (
	"context"
	"fmt"

	"cove/builder/dockerfile"
)

// A Dockerfile becomes a graph of what to do. Its author is told what looks wrong.
func ExamplePlan() {
	graph, err := dockerfile.Plan(context.Background(), []byte(`FROM scratch AS files
COPY greeting /
FROM scratch
COPY --from=files /greeting /hello
MAINTAINER somebody
`), dockerfile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range graph.Vertices {
		fmt.Println(v.Name)
	}
	for _, w := range graph.Warnings {
		fmt.Println(w.Rule, "in line", w.Location.Line)
	}
	// Output:
	// FROM scratch
	// FROM scratch AS files
	// [files 1/1] COPY greeting /
	// [stage-1 1/1] COPY --from=files /greeting /hello
	// MaintainerDeprecated in line 5
}
