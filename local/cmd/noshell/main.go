// Command noshell is the only file of the test image no-shell. It prints its
// arguments and environment and exits with the code given as "exit=N", so a test
// can see what the operator runs in an image without a shell.
package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	code := 0
	for i, arg := range os.Args {
		fmt.Printf("arg %d: %s\n", i, arg)
		if n, ok := strings.CutPrefix(arg, "exit="); ok {
			parsed, err := strconv.Atoi(n)
			if err != nil {
				fmt.Fprintf(os.Stderr, "noshell: exit=%s is not a number\n", n)
				os.Exit(2)
			}
			code = parsed
		}
	}
	environment := os.Environ()
	slices.Sort(environment)
	for _, e := range environment {
		fmt.Printf("env: %s\n", e)
	}
	os.Exit(code)
}
