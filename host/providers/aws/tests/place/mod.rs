//! What a twin has in an account, and users with some permissions on it.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use twin_aws::{AwsSettings, SecretsManagerArn, SharedCredentialsProvider};
use twin_capabilities::testing::samples::letter;
use uuid::Uuid;

use crate::emulator::{Emulator, REGION, credentials};

pub(crate) const TWIN: &str = "factory-01";

/// What a twin needs, made by the owner of the account.
pub(crate) struct Place {
    pub(crate) emulator: Emulator,
    pub(crate) settings: AwsSettings,
    pub(crate) secret: SecretsManagerArn,
    pub(crate) sqs: aws_sdk_sqs::Client,
}

impl Place {
    pub(crate) async fn make(emulator: &Emulator) -> Self {
        let settings = emulator.settings();
        twin_aws::init(&settings, TWIN).await.unwrap();
        let config = emulator.config();
        let manager = aws_sdk_secretsmanager::Client::new(&config);
        let create = manager.create_secret().secret_string("key");
        let create = create.name(settings.prefix.as_deref().unwrap());
        let arn = create.send().await.unwrap().arn.unwrap();
        let place = Self {
            emulator: emulator.clone(),
            settings,
            secret: arn.parse().unwrap(),
            sqs: aws_sdk_sqs::Client::new(&config),
        };
        // A letter that is there also where none can be pushed.
        let mut quiet = place.settings.clone();
        quiet.dead_letter_queue = twin_aws::DeadLetterQueue::None;
        let letters = twin_aws::open(quiet, TWIN).stores().dead_letters;
        letters.push(letter("there")).await.unwrap();
        place
    }

    /// A new user with these permissions on what the twin has.
    pub(crate) async fn user(&self, actions: &[&str]) -> SharedCredentialsProvider {
        let user = format!("u-{}", Uuid::new_v4().simple());
        let prefix = self.settings.prefix.as_deref().unwrap();
        let resources = [
            format!("arn:aws:dynamodb:{REGION}:*:table/{prefix}-*"),
            format!("arn:aws:events:{REGION}:*:event-bus/default"),
            format!("arn:aws:sqs:{REGION}:*:{prefix}-dead-letters"),
            format!("arn:aws:secretsmanager:{REGION}:*:secret:{prefix}-*"),
        ];
        // These have no resources.
        let is_anywhere =
            |action: &&&str| action.starts_with("sts:") || action.starts_with("lambda:");
        let anywhere: Vec<_> = actions
            .iter()
            .filter(is_anywhere)
            .chain(&["sts:None"])
            .collect();
        let policy = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": actions, "Resource": resources},
                {"Effect": "Allow", "Action": anywhere, "Resource": "*"},
            ],
        });
        self.iam(&format!("Action=CreateUser&UserName={user}"))
            .await;
        let policy = escaped(&policy.to_string());
        let put =
            format!("Action=PutUserPolicy&UserName={user}&PolicyName=host&PolicyDocument={policy}");
        self.iam(&put).await;
        let made = self
            .iam(&format!("Action=CreateAccessKey&UserName={user}"))
            .await;
        let element = |name: &str| {
            let (_, rest) = made.split_once(&format!("<{name}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        credentials(&element("AccessKeyId"), &element("SecretAccessKey"))
    }

    /// Calls IAM as the owner of the account, whose signature the emulator does not verify.
    async fn iam(&self, form: &str) -> String {
        let host = self.emulator.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).await.unwrap();
        let scope = format!("test/20260101/{REGION}/iam/aws4_request");
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n\
             \r\n{form}&Version=2010-05-08",
            form.len() + "&Version=2010-05-08".len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        response
    }
}

/// As a value of a form.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
