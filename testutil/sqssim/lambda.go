package sqssim

import (
	"encoding/json"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Batch is what Lambda invokes a function with for messages that it received from
// the queue of an ARN: AWS Lambda developer guide, "Using Lambda with Amazon SQS".
func Batch(queue string, messages []types.Message) ([]byte, error) {
	name, _ := arn.Parse(queue) // a wrong one has no region
	var batch events.SQSEvent
	for _, m := range messages {
		r := events.SQSMessage{
			MessageId: aws.ToString(m.MessageId), ReceiptHandle: aws.ToString(m.ReceiptHandle), Body: aws.ToString(m.Body),
			Md5OfBody: aws.ToString(m.MD5OfBody), EventSource: "aws:sqs", EventSourceARN: queue, AWSRegion: name.Region,
			Attributes: m.Attributes, MessageAttributes: map[string]events.SQSMessageAttribute{},
		}
		for name, a := range m.MessageAttributes {
			r.MessageAttributes[name] = events.SQSMessageAttribute{DataType: aws.ToString(a.DataType), StringValue: a.StringValue}
		}
		batch.Records = append(batch.Records, r)
	}
	return json.Marshal(batch)
}
