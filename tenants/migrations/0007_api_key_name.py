"""What the administration calls API keys."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("tenants", "0006_accounts")]

    operations = [migrations.AlterModelOptions("apikey", {"verbose_name": "API key"})]
