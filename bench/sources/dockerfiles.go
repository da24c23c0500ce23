package sources

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Dockerfile has three stages of which two are independent, large COPYs from
// the context and from stages, and a RUN in each stage.
const Dockerfile = `FROM base AS one
COPY src /src
RUN find /src -type f | wc -l > /count
FROM base AS two
COPY . /all
RUN ls -R /all > /list
FROM base
COPY --from=one /src /usr/local/src
COPY --from=two /all /usr/local/all
RUN touch /done
`

// Single is an image of one large layer.
const Single = `FROM scratch
COPY . /
`

// Stages is a Dockerfile of so many independent stages, each with a RUN, and one that
// copies from all of them.
func Stages(count int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "FROM base AS s%d\nRUN echo %d >/made\n", i, i)
	}
	b.WriteString("FROM scratch\n")
	for i := range count {
		fmt.Fprintf(&b, "COPY --from=s%d /made /%d\n", i, i)
	}
	return b.String()
}

// Steps is a Dockerfile of so many instructions, a tenth of them commands, in ten stages:
// file systems that are stacked have no room for all of them in one.
func Steps(count int) string {
	var b strings.Builder
	for stage := range 10 {
		fmt.Fprintf(&b, "FROM base AS s%d\n", stage)
		for i := 1; i < count/10; i++ {
			if i%10 == 0 {
				fmt.Fprintf(&b, "RUN echo %d >>/made\n", i)
				continue
			}
			fmt.Fprintf(&b, "ENV V%d=%d\n", i, i)
		}
	}
	b.WriteString("FROM base\n")
	for stage := range 10 {
		fmt.Fprintf(&b, "COPY --from=s%d /made /%d\n", stage, stage)
	}
	return b.String()
}

// WriteSmall makes a directory with a Dockerfile of a hundred stages, stages, and one of a
// thousand instructions, steps.
func WriteSmall(dir string) error {
	return errors.Join(
		os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "stages"), []byte(Stages(100)), 0o644),
		os.WriteFile(filepath.Join(dir, "steps"), []byte(Steps(1000)), 0o644),
	)
}
