package main

import "github.com/spf13/cobra"

// completeStores offers the schemes for the two store arguments.
func completeStores(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) >= 2 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{
		"s3://\tS3, and servers that speak S3",
		"gs://\tGoogle Cloud Storage",
		"az://\tAzure Blob Storage",
		"file:///\ta local directory",
	}, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// completeForeign offers the values of --foreign.
func completeForeign(cmd *cobra.Command) {
	err := cmd.RegisterFlagCompletionFunc("foreign", cobra.FixedCompletions(
		[]string{"keep", "adopt", "overwrite"}, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag does not exist: a mistake in this program
	}
}
