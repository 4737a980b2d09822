"""What the pages need to sign people in through their company's identity provider (authorization code with PKCE)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0006_own_settings")]

    operations = [
        migrations.AddField(
            model_name="tokenissuer",
            name="client_id",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Empty: not for the pages.", max_length=255
            ),
        ),
        migrations.AddField(
            model_name="tokenissuer",
            name="client_secret",
            field=models.BinaryField(help_text="Encrypted. None: a public client.", null=True),
        ),
        migrations.AddField(
            model_name="tokenissuer",
            name="authorization_url",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
        migrations.AddField(
            model_name="tokenissuer",
            name="token_url",
            field=models.CharField(blank=True, db_default="", default="", max_length=500),
        ),
    ]
