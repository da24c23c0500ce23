package reference_test

import (
	"fmt"

	"cove/reference"
)

func ExampleParse() {
	for _, name := range []string{"redis", "you/app:v1", "harbor.example.com:85/team/app"} {
		ref, err := reference.Parse(name)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(ref, "or", ref.Familiar())
	}
	// Output:
	// docker.io/library/redis:latest or redis:latest
	// docker.io/you/app:v1 or you/app:v1
	// harbor.example.com:85/team/app:latest or harbor.example.com:85/team/app:latest
}

func ExampleReference_Hint() {
	ref, err := reference.Parse("harbor/app")
	if err != nil {
		fmt.Println(err)
	}
	signedIn := func(host string) string { return map[string]string{"harbor": "harbor:443"}[host] }
	fmt.Println(ref.Hint(signedIn))
	// Output:
	// `harbor/app:latest` goes to docker.io: did you mean harbor:443/app:latest? A registry's name has a dot or a port, or is localhost
}
